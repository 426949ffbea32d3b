"""`backbeat runs`: the run ledger."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime

from backbeat.output import BadUsage, Flag, console, emit, refuse_beyond, table
from backbeat.settings import Settings
from backbeat.wiring import open_ledger
from jobs.plan import PLANS
from warehouse.stores.lock import Holder, living_holder
from warehouse.stores.runs import RunRecord, Status, StepRecord

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
    refuse_beyond("--limit", limit, MOST)
    if plan is not None and plan not in PLANS:
        raise BadUsage(f"no plan {plan!r}; there are {', '.join(PLANS)}")
    settings = Settings.from_environment()
    ledger = open_ledger(settings)
    found = ledger.last(limit, plan)
    if running := {record.run_id for record in found if record.status is Status.RUNNING}:
        holder = living_holder(settings.home.lock)  # between two looks: a run may begin or end beside us
        records = ledger.last(limit, plan)
        found = [as_it_is(record, holder) if record.run_id in running else record for record in records]
    if json:
        emit({"runs": [asdict(record) for record in found]})
        return
    rows = [_row(record) for record in found]
    console().print(table("runs", ["run", "plan", "as of", "status", "started", "seconds", "where it stands"], rows))


def as_it_is(record: RunRecord, holder: Holder | None) -> RunRecord:
    """The record, with `died` for what is said to run while nobody who runs its plan holds the lake."""
    if record.status is not Status.RUNNING or (holder is not None and holder.purpose == f"run {record.plan}"):
        return record
    steps = (replace(step, status=Status.DIED) if step.status is Status.RUNNING else step for step in record.steps)
    return replace(record, status=Status.DIED, steps=tuple(steps))


def _row(record: RunRecord) -> tuple[object, ...]:
    started = datetime.fromtimestamp(record.started_ms / 1_000, UTC).isoformat(" ", "seconds")
    took = (record.finished_ms - record.started_ms) / 1_000 if record.finished_ms else None
    plan = f"{record.plan}, {record.reopened} reopened" if record.reopened else record.plan
    return (record.run_id, plan, record.as_of, record.status, started, took, _stand(record.steps, len(record.asked)))


def _stand(steps: tuple[StepRecord, ...], asked: int) -> str:
    if not steps:
        return "no step began"
    last = steps[-1]
    if last.error:
        return f"{last.step}: {next(iter(last.error.splitlines()), '')}"
    return f"{last.step} {last.status}, {len(steps)} of {asked} steps"
