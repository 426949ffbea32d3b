"""By hand: every stale day before a given one, in one interval, after an import or a change of the rules."""

from airflow.sdk import Param

from dags.steps import plan_dag
from jobs.plan import TABLES

AS_OF = Param(
    type="string",
    format="date",
    pattern=r"^\d{4}-\d{2}-\d{2}$",  # it becomes part of a command
    title="As of",
    description="Days before this one are written, those that are stale and no others",
)

dag = plan_dag("backfill", TABLES, "{{ params.as_of }}", schedule=None, params={"as_of": AS_OF})
