"""Runs in Airflow's environment: prints each DAG of a folder as JSON, its commands rendered for one fixed run."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from airflow.dag_processing.dagbag import DagBag

CONTEXT = {
    "dag_run": SimpleNamespace(run_after=datetime(2024, 3, 1, tzinfo=UTC)),
    "data_interval_start": datetime(2024, 2, 28, 2, tzinfo=UTC),
    "data_interval_end": datetime(2024, 2, 29, 2, tzinfo=UTC),
    "params": {"from": "2024-02-01", "to": "2024-02-29"},
}


def lines(dag: Any) -> list[str]:
    """What a reader of a change to the DAG wants to see of it."""
    schedule = getattr(dag.timetable, "expression", None)
    head = [
        f"{dag.dag_id}: {dag.description}",
        f"schedule: {f'{type(dag.timetable).__name__}({schedule})' if schedule else 'by hand'}",
        f"runs at once: {dag.max_active_runs}, steps at once: {dag.max_active_tasks}, catchup: {dag.catchup}",
        f"late after: {dag.deadline[0].interval}" if isinstance(dag.deadline, list) else f"{dag.deadline}",
    ]
    return head + [line for task in dag.topological_sort() for line in task_lines(task)]


def task_lines(task: Any) -> list[str]:
    """One task: after which others, its command, its tables, and when it is given up."""
    return [
        "",
        f"{task.task_id}",
        f"  after:   {' '.join(sorted(task.upstream_task_ids)) or '-'}",
        f"  command: {task.render_template(task.bash_command, CONTEXT)}",
        f"  reads:   {' '.join(asset.uri for asset in task.inlets) or '-'}",
        f"  writes:  {' '.join(asset.uri for asset in task.outlets) or '-'}",
        f"  hung after {task.execution_timeout}; {task.retries} retries from {task.retry_delay}",
    ]


def main(folder: str) -> None:
    bag = DagBag(folder)
    dags = {name: "\n".join(lines(dag)) + "\n" for name, dag in sorted(bag.dags.items())}
    json.dump({"dags": dags, "errors": bag.import_errors}, sys.stdout)


main(sys.argv[1])
