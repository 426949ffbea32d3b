"""Mondays at ten, after the night's run: a model from the tables as they are."""

from airflow.sdk import CronDataIntervalTimetable

from dags.steps import plan_dag
from jobs.plan import TRAINING

dag = plan_dag(
    "train_weekly",
    TRAINING,
    schedule=CronDataIntervalTimetable("0 10 * * 1", timezone="UTC"),
)
