"""Every night: from what was played to what is recommended.

At two most late plays of the day before have come; the others reopen it the night after.
"""

from airflow.sdk import CronDataIntervalTimetable

from dags.steps import plan_dag
from jobs.plan import DAILY

dag = plan_dag(
    "daily",
    DAILY,
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"),
)
