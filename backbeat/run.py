"""`backbeat run`: a plan's steps in order, on one lake, one run at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from cyclopts import Parameter

from backbeat.output import FAILED, FAILS_AGAIN, BadUsage, CommandFailed, Flag, console, emit, table
from backbeat.progress import watcher_for
from backbeat.settings import Settings
from backbeat.wiring import open_lake, open_ledger, open_log, open_rows, spark_settings
from jobs.intervals import Days
from jobs.plan import PLANS, Plan, Step
from jobs.run import Wiring
from jobs.runbook import DAMAGE, advice
from jobs.runner import Execution, NothingToRun, StepDone, StepFailed, execute
from warehouse.stores.lake import Lake
from warehouse.stores.lock import LakeLock, LakeLocked
from warehouse.stores.log import now_ms
from warehouse.stores.runs import RunLedger, Status
from warehouse.tables import RAW_PLAYS, TABLES

RESUMABLE = 100  # runs of a plan that are looked through for one to resume


def run(
    plan: str = "daily",
    *,
    as_of: str | None = None,
    only: Annotated[tuple[str, ...] | None, Parameter(consume_multiple=True, negative=())] = None,
    reopen: str | None = None,
    dry_run: Flag = False,
    resume: Flag = False,
    detailed_exit: Flag = False,
    json: Flag = False,
) -> None:
    """Run a plan: daily, tables, train or upkeep.

    Args:
        plan: Which one.
        as_of: Models know the plays before this day (YYYY-MM-DD); without it, the day after the newest play.
        only: Just these steps of it.
        reopen: Write these days (FROM..TO, or one day) of the daily tables anew, whether their inputs changed or not.
        dry_run: Say what would run, and run nothing.
        resume: Go on with the last run of the plan where it failed, as of the same day.
        detailed_exit: Exit 3 rather than 1 where a try again would end the same, as after a refusal: for schedulers.
        json: One JSON document on one line.
    """
    execution = _resumable(plan, as_of, only, reopen) if resume else _execution(plan, as_of, only, reopen)
    if execution is None:
        emit({"plan": plan, "steps": []}) if json else console().print(f"The last run of {plan} ended well.")
    elif dry_run:
        _tell_plan(execution, json)
    else:
        code = FAILS_AGAIN if detailed_exit else FAILED
        document = perform(execution, Settings.from_environment(), quiet=json, fails_again=code)
        if json:
            emit(document)
        else:
            tell(document)


def perform(execution: Execution, settings: Settings, *, quiet: bool, fails_again: int = FAILED) -> dict[str, Any]:
    """Run it under the lake's lock, and say what each step did.

    Raises `CommandFailed` with the runbook's line; its code is `fails_again` where a try again would end the same.
    """
    lake, ledger = open_lake(settings), open_ledger(settings)
    wiring = Wiring(
        lake,
        settings.home,
        lambda: open_rows(settings),
        lambda: open_log(settings),
        now_ms,
        settings.keep_models,
        settings.als,
    )
    spark = spark_settings(settings, lake.count(RAW_PLAYS))
    try:
        with (
            LakeLock(settings.home.lock, f"run {execution.plan.name}"),
            watcher_for(None if quiet else console(), execution.steps) as watcher,
        ):
            as_of, done = execute(execution, wiring, ledger, spark, watcher, now_ms)
            return _document(execution, as_of, done, content_hashes(lake, ledger, execution.steps))
    except LakeLocked as error:
        raise CommandFailed(str(error)) from error
    except NothingToRun as error:
        raise CommandFailed(str(error), fails_again) from error
    except StepFailed as error:
        told = f"step {error}\n{advice(DAMAGE if error.damage else error.step)}"
        if error.again and not error.damage:
            raise CommandFailed(told, fails_again) from error
        resume = f"\nWhen it is mended: backbeat run {execution.plan.name} --resume" if len(execution.steps) > 1 else ""
        raise CommandFailed(told + resume, fails_again if error.again else FAILED) from error


def content_hashes(lake: Lake, ledger: RunLedger, steps: Sequence[Step]) -> dict[str, str]:
    """The content hash of each table that the steps write: equal rows, equal hash. A known version is not reread."""
    hashes = {}
    for name in sorted({name for step in steps for name in step.writes if name in TABLES}):
        version = lake.version(TABLES[name])
        if version is None:
            continue
        known = ledger.known_hash(lake.url, name, version)
        if known is None:
            known = lake.content_hash(TABLES[name])
            ledger.note_hash(lake.url, name, version, known)
        hashes[name] = known
    return hashes


def tell(document: dict[str, Any]) -> None:
    """The run for people: what each step read, wrote and took, and what is published."""
    rows = [
        (step["step"], step["read"], step["written"], step["days"], step["seconds"], _told(step["facts"]))
        for step in document["steps"]
    ]
    title = f"{document['plan']} as of {document['as_of']}" if document["as_of"] else document["plan"]
    console().print(table(title, ["step", "rows read", "rows written", "days", "seconds", ""], rows))
    hashes = list(document["tables"].items())
    console().print(table("tables", ["table", "content hash"], hashes))
    if document["model_version"]:
        console().print(f"Published model {document['model_version']}, sha256 {document['artifact_sha256']}")


def _told(facts: dict[str, Any]) -> str:
    told = {name: value for name, value in facts.items() if name != "artifact_sha256"}
    return "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in told.items())


def _execution(name: str, as_of: str | None, only: Sequence[str] | None, reopen: str | None) -> Execution:
    plan = _plan(name)
    return Execution(plan, plan.steps if only is None else _chosen(plan, only), _day(as_of), _days(reopen, plan))


def _chosen(plan: Plan, only: Sequence[str]) -> list[Step]:
    there = ", ".join(step.name for step in plan.steps)
    if not only:
        raise BadUsage(f"--only without a step; {plan.name} has {there}")
    if unknown := set(only) - {step.name for step in plan.steps}:
        raise BadUsage(f"no step {', '.join(sorted(unknown))} in {plan.name}; it has {there}")
    return [step for step in plan.steps if step.name in only]


def _resumable(name: str, as_of: str | None, only: Sequence[str] | None, reopen: str | None) -> Execution | None:
    """What is left of the last run of the plan; None where nothing is."""
    plan = _plan(name)
    if (only, as_of, reopen) != (None, None, None):
        told = "leave --only, --as-of and --reopen out"
        raise BadUsage(f"--resume goes on with the last run, its day, its steps and what it reopened; {told}")
    return _resumed(plan, open_ledger(Settings.from_environment()))


def _resumed(plan: Plan, ledger: RunLedger) -> Execution | None:
    """The newest run that failed, from where it failed, unless a later run has done all that it was asked to do."""
    done_since: set[tuple[str, str | None]] = set()
    runs = ledger.last(RESUMABLE, plan.name)
    if not runs:
        raise CommandFailed(f"cannot resume {plan.name}: it has never run")
    for last in runs:
        finished = {step.step for step in last.steps if step.status is Status.DONE}
        left = [plan.step(name) for name in last.asked if name not in finished]
        if last.status is not Status.DONE and not {(name, last.reopened) for name in last.asked} <= done_since:
            reopened = Days.parsed(last.reopened) if last.reopened else None
            return Execution(plan, left, last.as_of, reopened) if left else None
        if last.status is Status.DONE and set(last.asked) == {step.name for step in plan.steps}:
            return None
        done_since |= {(name, days) for name in finished for days in (last.reopened, None)}  # stale days were done too
    return None


def _plan(name: str) -> Plan:
    if name not in PLANS:
        raise BadUsage(f"no plan {name!r}; there are {', '.join(PLANS)}")
    return PLANS[name]


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise BadUsage(f"--as-of {text!r}; wanted a day such as 2014-12-01") from None


def _days(text: str | None, plan: Plan) -> Days | None:
    if text is None:
        return None
    if not any(step.by_day for step in plan.steps):
        raise BadUsage(f"--reopen {text} with {plan.name}, which makes no table day by day; daily and tables do")
    try:
        return Days.parsed(text)
    except ValueError:
        wanted = "days such as 2014-12-01..2014-12-07, or one of them, the first not after the last"
        raise BadUsage(f"--reopen {text!r}; wanted {wanted}") from None


def _tell_plan(execution: Execution, json: bool) -> None:
    if json:
        steps = [asdict(step) for step in execution.steps]
        emit(
            {"plan": execution.plan.name, "as_of": execution.as_of, "reopened": execution.reopened_days, "steps": steps}
        )
        return
    rows = [(step.name, ", ".join(step.reads), ", ".join(step.writes), step.doc) for step in execution.steps]
    console().print(table(f"{execution.plan.name}: {execution.plan.doc}", ["step", "reads", "writes", "what"], rows))


def _document(
    execution: Execution, as_of: date | None, done: Sequence[StepDone], hashes: dict[str, str]
) -> dict[str, Any]:
    facts = {name: value for step in done for name, value in step.facts.items()}
    return {
        "plan": execution.plan.name,
        "as_of": as_of.isoformat() if as_of else None,
        "reopened": execution.reopened_days,
        "steps": [asdict(step) for step in done],
        "tables": hashes,
        "model_version": facts.get("model_version"),
        "artifact_sha256": facts.get("artifact_sha256"),
    }
