"""The embedded scheduler: a plan's steps in order, in one Spark session, each written down in the ledger."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from pyspark.sql import SparkSession

from jobs.damage import FileDamaged, damage_behind
from jobs.intervals import Days
from jobs.plan import Plan, Step
from jobs.run import FailsAgain, JobRun, Tally, Wiring
from jobs.session import SparkSettings, spark_session
from warehouse.stores.lake import day_after_newest
from warehouse.stores.runs import RunLedger, Status
from warehouse.tables import RAW_PLAYS

TOLD_LINES = 5  # of an error; of a longer one the first line is told, and where the others are


class StepFailed(Exception):
    """A step of a plan could not be done; names the step, the cause is chained. `again`: so it would be once more."""

    def __init__(self, step: str, cause: BaseException, log: Path | None = None) -> None:
        said = str(cause).splitlines() or [type(cause).__name__]
        super().__init__(f"{step}: {said[0]} (all of it is in {log})" if log else f"{step}: {cause}")
        self.step = step
        self.again = isinstance(cause, FailsAgain)
        self.damage = isinstance(cause, FileDamaged)


class NothingToRun(FailsAgain):
    """The lake has no plays before the day asked for, or none on the days to reopen."""


@dataclass(frozen=True)
class StepDone:
    """What one step did, in rows, days and seconds, and what it wants to tell (a verdict, a version)."""

    step: str
    read: int
    written: int
    days: int
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)


class Watcher(Protocol):
    """Is told as steps begin and end."""

    def began(self, step: Step) -> None: ...

    def ended(self, done: StepDone) -> None: ...


@dataclass(frozen=True)
class Execution:
    """One run of a plan: its steps, and the place to begin. `as_of` is found from the plays where it is None.

    The days in `reopened` are written anew in every daily table, whether their inputs changed or not.
    """

    plan: Plan
    steps: Sequence[Step]
    as_of: date | None
    reopened: Days | None = None

    @property
    def reopened_days(self) -> str | None:
        """Those days as FROM..TO."""
        return str(self.reopened) if self.reopened else None


def execute(
    execution: Execution,
    wiring: Wiring,
    ledger: RunLedger,
    spark: SparkSettings,
    watcher: Watcher,
    clock_ms: Callable[[], int],
) -> tuple[date | None, list[StepDone]]:
    """Do the steps in order; says the day that they were as of, where one is.

    Raises `StepFailed` at the first that cannot be done, and `NothingToRun`.
    """
    asked = [step.name for step in execution.steps]
    reopened = execution.reopened_days
    run_id = ledger.begin(execution.plan.name, execution.as_of, clock_ms(), asked, reopened)
    with ExitStack() as stack:
        sessions = _once(lambda: stack.enter_context(spark_session(spark)))
        steps = _Steps(execution, wiring, ledger, run_id, sessions, clock_ms)
        try:
            done = [_told(watcher, step, steps) for step in execution.steps]
        except BaseException:
            ledger.finish(run_id, Status.FAILED, clock_ms())
            raise
    ledger.finish(run_id, Status.DONE, clock_ms())
    return steps.found, done


@dataclass
class _Steps:
    execution: Execution
    wiring: Wiring
    ledger: RunLedger
    run_id: int
    start_spark: Callable[[], SparkSession]
    clock_ms: Callable[[], int]
    found: date | None = None

    def as_of_day(self) -> date:
        """The day asked for, or the day after the newest play."""
        if self.found is None:
            days = self.wiring.lake.days(RAW_PLAYS)
            asked, reopened = self.execution.as_of, self.execution.reopened
            newest = day_after_newest(days)
            if newest is None or (asked is not None and not any(day < asked for day in days)):
                limit = f" before {asked}" if asked else ""
                raise NothingToRun(f"the lake at {self.wiring.lake.url} has no plays{limit}: import some first")
            if reopened is not None and not any(day in reopened for day in days):
                raise NothingToRun(f"the lake has plays from {min(days)} to {max(days)}, and none on {reopened}")
            self.found = asked or newest
            self.ledger.set_as_of(self.run_id, self.found)
        return self.found

    def do(self, step: Step) -> StepDone:
        """One step, from its module's `main`."""
        began, tally = time.monotonic(), Tally()
        self.ledger.begin_step(self.run_id, step.name, self.clock_ms())
        try:
            as_of = self.as_of_day() if step.dated else date.min
            job = JobRun(self.wiring, as_of, self.start_spark, tally, self.execution.reopened)
            import_module(f"jobs.{step.name}").main(job)
        except BaseException as error:
            if not isinstance(error, Exception) or isinstance(error, NothingToRun):
                self._failed(step, error)
                raise
            cause = damage_behind(error, self.wiring.lake, step.reads) or error
            self._failed(step, cause)
            raise StepFailed(step.name, cause, self._logged(step, error)) from error
        done = StepDone(
            step.name, tally.read, tally.written, tally.days, round(time.monotonic() - began, 3), tally.facts
        )
        facts = {"read": done.read, "written": done.written, "days": done.days, **done.facts}
        self.ledger.finish_step(self.run_id, step.name, Status.DONE, self.clock_ms(), facts)
        return done

    def _logged(self, step: Step, error: Exception) -> Path | None:
        """Where the whole of an error of many lines was written, as those of a JVM are; ours say it in one or a few."""
        if isinstance(error, FailsAgain) or len(str(error).splitlines()) <= TOLD_LINES:
            return None
        path = self.wiring.home.logs / f"run-{self.run_id}-{step.name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        return path

    def _failed(self, step: Step, error: BaseException) -> None:
        text = f"{type(error).__name__}: {error}"
        self.ledger.finish_step(self.run_id, step.name, Status.FAILED, self.clock_ms(), {}, text)


def _told(watcher: Watcher, step: Step, steps: _Steps) -> StepDone:
    watcher.began(step)
    done = steps.do(step)
    watcher.ended(done)
    return done


def _once(start: Callable[[], SparkSession]) -> Callable[[], SparkSession]:
    started: list[SparkSession] = []

    def session() -> SparkSession:
        if not started:
            started.append(start())
        return started[0]

    return session
