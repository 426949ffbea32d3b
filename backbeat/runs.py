"""`backbeat runs`: the run ledger."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from backbeat.output import BadUsage, Flag, console, emit, table
from backbeat.settings import Settings
from backbeat.wiring import open_ledger
from jobs.plan import PLANS
from warehouse.stores.runs import RunRecord, StepRecord

MOST = 10_000  # runs that one call lists


def runs(
    *,
    plan: str | None = None,
    limit: int = 20,
    json: Flag = False,
) -> None:
    """What ran, as of which day, and how each step ended.

    Args:
        plan: Just the runs of this plan.
        limit: How many, the newest first.
        json: One JSON document on one line.
    """
    if not 1 <= limit <= MOST:
        raise BadUsage(f"--limit is {limit}; wanted 1 to {MOST:,}")
    if plan is not None and plan not in PLANS:
        raise BadUsage(f"no plan {plan!r}; there are {', '.join(PLANS)}")
    found = open_ledger(Settings.from_environment()).last(limit, plan)
    if json:
        emit({"runs": [asdict(record) for record in found]})
        return
    rows = [_row(record) for record in found]
    console().print(table("runs", ["run", "plan", "as of", "status", "started", "seconds", "where it stands"], rows))


def _row(record: RunRecord) -> tuple[object, ...]:
    started = datetime.fromtimestamp(record.started_ms / 1_000, UTC).isoformat(" ", "seconds")
    took = (record.finished_ms - record.started_ms) / 1_000 if record.finished_ms else None
    plan = f"{record.plan}, {record.reopened} reopened" if record.reopened else record.plan
    return (record.run_id, plan, record.as_of, record.status, started, took, _stand(record.steps, len(record.asked)))


def _stand(steps: tuple[StepRecord, ...], asked: int) -> str:
    if not steps:
        return "no step began"
    last = steps[-1]
    return f"{last.step}: {last.error}" if last.error else f"{last.step} {last.status}, {len(steps)} of {asked} steps"
