"""Sundays at noon, when the night's run is over: small files merged, what nobody needs forgotten."""

from airflow.sdk import CronDataIntervalTimetable

from dags.steps import plan_dag
from jobs.plan import UPKEEP

dag = plan_dag(
    "upkeep",
    UPKEEP,
    days="",  # its steps are as of no day
    schedule=CronDataIntervalTimetable("0 12 * * 0", timezone="UTC"),
)
