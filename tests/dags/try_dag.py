"""Runs in Airflow's environment: one run of a DAG by `dag.test()`, its states as JSON on the last line."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime

from airflow.dag_processing.dagbag import DagBag


def main(dag_id: str, logical_date: str, conf: str) -> None:
    dag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags[dag_id]
    dag.deadline = None  # dag.test() of 3.3.2 cannot close a run that has one; the scheduler can, see test_scheduler
    for task in dag.tasks:
        task.retries = 0  # a failure in a test is final, and is told at once
    moment = datetime.fromisoformat(logical_date).replace(tzinfo=UTC)
    run = dag.test(logical_date=moment, run_conf=json.loads(conf))
    states = {task.task_id: str(task.state) for task in run.get_task_instances()}
    sys.stdout.write("\n" + json.dumps({"state": str(run.state), "tasks": states}) + "\n")


main(*sys.argv[1:])
