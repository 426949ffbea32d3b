"""The gate's step: what it says, what it leaves behind, and what a refusal keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jobs.candidate import Brief, CandidateFolder, CandidateStale
from jobs.evaluate import Evaluated, Measured
from jobs.gate import Decision, decide, main, served
from jobs.publish import main as publish
from jobs.run import JobRun, StepRefused, Wiring
from models.artifact import MANIFEST
from models.gate import LEAST_LISTENERS, Served
from models.registry import Registry
from tests.models.test_artifact import artifact
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake

AS_OF = date(2026, 1, 1)
BETTER, WORSE = [0.5] * 40, [0.1] * 40


def absent() -> Any:
    raise AssertionError("the gate opens no store")


def job(folder: Path, measured: Measured | None, as_of: date = AS_OF) -> JobRun:
    """The gate's run, after an evaluation that found this."""
    home = Home.from_environment({"BACKBEAT_HOME": str(folder)})
    candidate = CandidateFolder(home.candidate)
    candidate.begin(Brief(AS_OF, AS_OF, {}, None))
    candidate.write("evaluation", Evaluated(measured))
    return JobRun(Wiring(Lake(home.lake_url), home, absent, absent, absent), as_of, absent)


def verdict(run: JobRun) -> Decision:
    return CandidateFolder(run.wiring.home.candidate).read("verdict", Decision, "gate")


def test_a_better_candidate_passes_and_the_reasons_are_written_down(tmp_path: Path) -> None:
    run = job(tmp_path, Measured(BETTER, WORSE, WORSE, {}))
    main(run)
    assert run.tally.facts == {"verdict": "passed"}
    assert verdict(run).passed
    assert "0.5000" in verdict(run).reasons[0]


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        (Measured(WORSE, BETTER, WORSE, {}), "the whole interval is below zero"),
        (Measured(WORSE, None, BETTER, {}), "worse than popularity"),
    ],
    ids=["than what is published", "than popularity"],
)
def test_a_worse_candidate_is_refused_with_the_reason(tmp_path: Path, measured: Measured, reason: str) -> None:
    run = job(tmp_path, measured)
    with pytest.raises(StepRefused, match=f"the candidate is not published: .*{reason}"):
        main(run)
    assert run.tally.facts == {"verdict": "refused"}
    assert not verdict(run).passed


def test_what_the_gate_refused_is_not_published(tmp_path: Path) -> None:
    run = job(tmp_path, Measured(WORSE, BETTER, WORSE, {}))
    with pytest.raises(StepRefused):
        main(run)
    with pytest.raises(StepRefused, match="the gate has refused this candidate"):
        publish(run)
    assert Registry(run.wiring.home.models).published() is None


def test_the_first_model_passes_where_nothing_can_be_measured() -> None:
    assert decide(Evaluated(None), None).passed


def test_a_configuration_that_is_published_already_is_no_loss() -> None:
    assert decide(Evaluated(Measured(BETTER, BETTER, WORSE, {})), None).passed


def test_what_was_measured_is_not_replaced_by_what_nobody_measured(tmp_path: Path) -> None:
    run = job(tmp_path, None)
    registry = Registry(run.wiring.home.models)
    before = registry.publish(replace(artifact(), metrics={"warm_listeners": 40}))
    with pytest.raises(StepRefused, match=f"wanted 20 or more to replace {before}, which was measured on 40"):
        main(run)
    assert registry.published() == before


@pytest.mark.parametrize(("listeners", "passed"), [(LEAST_LISTENERS - 1, False), (LEAST_LISTENERS, True)])
def test_too_few_test_listeners_are_no_measure(listeners: int, passed: bool) -> None:
    measured = Measured(BETTER[:listeners], BETTER[:listeners], WORSE[:listeners], {})
    assert decide(Evaluated(measured), Served("v", 40)).passed is passed


def test_a_household_too_small_to_be_measured_goes_on_being_served() -> None:
    assert decide(Evaluated(Measured(BETTER[:1], BETTER[:1], WORSE[:1], {})), Served("v", 1)).passed
    assert decide(Evaluated(None), Served("v", 0)).passed


@pytest.mark.parametrize(
    ("trial", "passed"),
    [
        (None, False),
        ({"listeners": 3, "passed": False}, False),
        ({"listeners": 3, "passed": True}, True),
        ({"listeners": 40, "passed": False}, True),
    ],
    ids=["not tried", "tried on a few", "passed on a few", "worse beyond chance"],
)
def test_two_stages_are_given_up_only_by_a_trial_that_says_something(
    trial: dict[str, Any] | None, passed: bool
) -> None:
    evaluated = Evaluated(Measured(BETTER, BETTER, WORSE, {}), trial)
    assert decide(evaluated, Served("v", 40, tried=40)).passed is passed


def test_what_is_published_and_cannot_be_read_stops_no_candidate(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    (registry.folder(registry.publish(artifact())) / MANIFEST).write_text("{}")
    assert served(registry) is None


def test_an_evaluation_of_another_day_is_not_judged(tmp_path: Path) -> None:
    run = job(tmp_path, Measured(BETTER, None, WORSE, {}), as_of=date(2026, 1, 2))
    with pytest.raises(CandidateStale, match="wanted 2026-01-02: run the step train first"):
        main(run)


def test_a_verdict_needs_an_evaluation(tmp_path: Path) -> None:
    run = job(tmp_path, None)
    (tmp_path / "candidate" / "evaluation.json").unlink()
    with pytest.raises(CandidateStale, match="run the step evaluate first"):
        main(run)
