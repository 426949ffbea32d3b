"""By hand: the tables of chosen days made anew, after a change of the rules or a repair; and whatever else is stale."""

from airflow.sdk import Param

from dags.steps import plan_dag
from jobs.plan import TABLES


def _day(title: str, description: str) -> Param:
    """A day such as 2024-02-29, and nothing else: it becomes part of a command."""
    return Param(
        type="string",
        format="date",
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        maxLength=10,
        title=title,
        description=description,
    )


dag = plan_dag(
    "backfill",
    TABLES,
    "--reopen {{ params['from'] }}..{{ params['to'] }}",
    schedule=None,
    params={"from": _day("From", "The first day to make anew"), "to": _day("To", "The last day to make anew")},
)
