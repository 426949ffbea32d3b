"""What is said when a step fails or a run is late: the runbook's entry, in the task's log."""

from __future__ import annotations

import logging
from typing import Any

from jobs.runbook import advice

log = logging.getLogger(__name__)
GO_ON = "Under Airflow, clear this task once it is mended (where the entry names an earlier step, that one)"


def tell_runbook(context: dict[str, Any]) -> None:
    """Airflow calls this when a step has failed for the last time."""
    for line in [*advice(context["task_instance"].task_id).splitlines(), GO_ON]:
        log.error("%s", line)  # a record a line, since Airflow's page cuts long ones


def tell_late(plan: str, minutes: int, context: dict[str, Any] | None = None) -> None:
    """Airflow calls this when a run of the plan has been on its way for longer than its steps may take together."""
    run = (context or {}).get("dag_run", {}).get("dag_run_id", "of an unknown id")
    log.error("%s is late: run %s is not done after %d minutes; see docs/runbook.md", plan, run, minutes)
