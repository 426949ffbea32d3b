"""What is said when a step fails or a run is late: the runbook's line, in the task's log."""

from __future__ import annotations

import logging
from typing import Any

from jobs.runbook import advice

log = logging.getLogger(__name__)


def tell_runbook(context: dict[str, Any]) -> None:
    """Airflow calls this when a step has failed for the last time."""
    log.error("%s", advice(context["task_instance"].task_id))


def tell_late(plan: str, minutes: int, context: dict[str, Any] | None = None) -> None:
    """Airflow calls this when a run of the plan has been on its way for longer than its steps may take together."""
    run = (context or {}).get("dag_run", {}).get("dag_run_id", "of an unknown id")
    log.error("%s is late: run %s is not done after %d minutes; see docs/runbook.md", plan, run, minutes)
