"""A plan as a DAG: one task a step, each one command in the main environment's interpreter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, DeadlineAlert, DeadlineReference, SyncCallback

from dags.alerts import tell_late, tell_runbook
from dags.step_operator import StepOperator
from jobs.plan import Plan, Step

ROOT = Path(__file__).resolve().parents[1]
PYTHON = '"${BACKBEAT_PYTHON:-.venv/bin/python}"'  # the shell's default, so that parsing reads no environment
AS_OF = "--as-of {{ data_interval_end | default(dag_run.run_after, true) | ds }}"  # by hand there may be no interval
HUNG_AFTER = 4  # times its minutes: a step that takes so long is stopped and tried again, which changes no rows


def plan_dag(name: str, plan: Plan, days: str = AS_OF, **when: Any) -> DAG:
    """The plan with each step told its days, a template of options; `when` is what else a DAG takes."""
    dag = DAG(
        name,
        description=plan.doc,
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        catchup=False,  # one run is a function of all stale days before it
        max_active_runs=1,
        max_active_tasks=1,  # steps take turns on the lake, which one holds at a time
        deadline=_late(plan.name, sum(step.minutes for step in plan.steps)),
        tags={"backbeat"},
        **when,
    )
    tasks = {step.name: _task(dag, plan, step, days) for step in plan.steps}
    for step in plan.steps:
        tasks[step.name].set_upstream([tasks[name] for name in plan.upstream_of(step)])
    return dag


def _late(plan: str, minutes: int) -> DeadlineAlert:
    told = SyncCallback(tell_late, {"plan": plan, "minutes": minutes})
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, timedelta(minutes=minutes), told, name="late")


def _task(dag: DAG, plan: Plan, step: Step, days: str) -> StepOperator:
    return StepOperator(
        dag=dag,
        task_id=step.name,
        doc_md=step.doc,
        bash_command=f"{PYTHON} -m backbeat run {plan.name} --only {step.name} --detailed-exit --json {days}".strip(),
        cwd=str(ROOT),
        inlets=[Asset(name, f"backbeat://data/{name}") for name in step.reads],
        outlets=[Asset(name, f"backbeat://data/{name}") for name in step.writes],
        execution_timeout=timedelta(minutes=HUNG_AFTER * step.minutes),
        retries=3,  # after 1, 2 and 4 minutes, to which Airflow adds up to as much again
        retry_delay=timedelta(minutes=1),
        retry_exponential_backoff=2,
        on_failure_callback=tell_runbook,
    )
