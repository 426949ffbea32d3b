"""The plans hold together: what a step reads is there before it, what it writes is its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.plan import DAILY, PLANS, TABLES, TRAINING, Plan, Step
from warehouse.tables import TABLES as DECLARED

ROOT = Path(__file__).parents[2]
EVERY_PLAN = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
OUTSIDE = {
    "log",  # the API's
    "raw.plays",  # the importers', beside land_events
    "raw.tracks",
    "raw.erasures",
}


@EVERY_PLAN
def test_what_a_step_reads_comes_from_outside_or_from_a_step_before_it(plan: Plan) -> None:
    known = OUTSIDE | (_written(*PLANS.values()) - _written(plan))
    for step in plan.steps:
        assert set(step.reads) <= known, f"{step.name} reads what nothing before it writes"
        known |= set(step.writes)


def test_the_daily_plan_needs_nothing_that_only_another_plan_makes() -> None:
    known = set(OUTSIDE)
    for step in DAILY.steps:
        assert set(step.reads) <= known
        known |= set(step.writes)


def test_the_daily_plan_is_the_tables_and_then_the_model() -> None:
    assert DAILY.steps == TABLES.steps + TRAINING.steps


@EVERY_PLAN
def test_a_table_is_written_by_one_step_alone(plan: Plan) -> None:
    written = [name for step in plan.steps for name in step.writes if name != "lake"]  # upkeep rewrites files, no rows
    assert sorted(written) == sorted(set(written))


@EVERY_PLAN
def test_a_step_waits_only_for_earlier_ones(plan: Plan) -> None:
    names = [step.name for step in plan.steps]
    for position, step in enumerate(plan.steps):
        assert set(plan.upstream_of(step)) <= set(names[:position])


@EVERY_PLAN
def test_step_names_are_unique_and_find_their_step(plan: Plan) -> None:
    assert [plan.step(step.name) for step in plan.steps] == list(plan.steps)


def test_a_step_waits_for_each_writer_of_what_it_reads_or_writes() -> None:
    first = Step("first", (), ("a",), 1, "")
    other = Step("other", (), ("b",), 1, "")
    reads = Step("reads", ("a",), ("c",), 1, "")
    again = Step("again", (), ("a",), 1, "")
    plan = Plan("plan", "", (first, other, reads, again))
    assert plan.upstream_of(reads) == ("first",)
    assert plan.upstream_of(again) == ("first",)
    assert plan.upstream_of(other) == ()


def test_an_unknown_step_is_no_step() -> None:
    with pytest.raises(KeyError):
        DAILY.step("no_such_step")


@EVERY_PLAN
def test_each_table_of_a_lakes_layer_is_declared(plan: Plan) -> None:
    layers = {name.split(".")[0] for name in DECLARED}
    named = {name for step in plan.steps for name in (*step.reads, *step.writes) if name.split(".")[0] in layers}
    assert named <= set(DECLARED) | {"lake"}


@EVERY_PLAN
def test_days_are_reopened_in_steps_that_make_a_daily_table_of_others(plan: Plan) -> None:
    for step in plan.steps:
        made = [DECLARED[name] for name in step.writes if name in DECLARED and not name.startswith("raw.")]
        assert step.by_day == (bool(made) and all(table.daily for table in made)), step.name


@EVERY_PLAN
def test_each_step_has_its_module(plan: Plan) -> None:
    missing = [step.name for step in plan.steps if not (ROOT / "jobs" / f"{step.name}.py").exists()]
    assert missing == []


def test_the_plan_and_the_runbook_load_nothing_but_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import jobs.plan, jobs.runbook;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(loaded.stdout.split()) - sys.stdlib_module_names == {"jobs"}


def _written(*plans: Plan) -> set[str]:
    return {name for plan in plans for step in plan.steps for name in step.writes}
