"""model.evaluation -> model.verdict: what is worse than what it would replace, or unmeasured beside it, is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from jobs.candidate import CandidateFolder
from jobs.evaluate import Evaluated, Measured
from jobs.run import JobRun, StepRefused
from models.base import ModelBroken
from models.gate import Served, judge, unmeasured, untried
from models.ranking.two_stage import TwoStage
from models.registry import Registry


class Decision(msgspec.Struct, frozen=True):
    """Whether to publish, and why."""

    passed: bool
    reasons: list[str]


def main(run: JobRun) -> None:
    """Write the verdict down. Raises `StepRefused` with its reasons; what is published stays."""
    folder = CandidateFolder(run.wiring.home.candidate)
    folder.brief(run.as_of)
    evaluated = folder.read("evaluation", Evaluated, "evaluate")
    decision = decide(evaluated, served(Registry(run.wiring.home.models)))
    folder.write("verdict", decision)
    run.tally.facts["verdict"] = "passed" if decision.passed else "refused"
    if not decision.passed:
        raise StepRefused("the candidate is not published: " + " ".join(decision.reasons))


def decide(evaluated: Evaluated, published: Served | None) -> Decision:
    """The verdict on what was measured; where that is nothing, only what was not measured either may be replaced."""
    measured, trial = evaluated.measured, evaluated.two_stage
    lost = [
        unmeasured(published, 0 if measured is None else len(measured.candidate)),
        untried(published, trial["listeners"] if trial else 0, bool(trial and trial["passed"])),
    ]
    refusals = [reason for reason in lost if reason]
    if measured is None:
        nothing = "Nobody has plays on both sides of a split in time, so nothing could be measured."
        return Decision(not refusals, [nothing, *refusals])
    passed, reasons = _judged(measured)
    return Decision(passed and not refusals, [*reasons, *refusals])


def served(registry: Registry) -> Served | None:
    """What a candidate would replace; None before the first model, and where it is of another format, or not whole."""
    try:
        version = registry.published()
        if version is None:
            return None
        manifest = registry.manifest(version)
    except ModelBroken:
        return None
    metrics: dict[str, Any] = manifest["metrics"]
    tried = metrics.get(TwoStage.name, {}).get("listeners", 0) if TwoStage.name in manifest["configs"] else 0
    return Served(version, metrics.get("warm_listeners", 0), tried)


def _judged(measured: Measured) -> tuple[bool, tuple[str, ...]]:
    published = None if measured.published is None else np.array(measured.published)
    verdict = judge(np.array(measured.candidate), published, np.array(measured.popularity))
    return verdict.passed, verdict.reasons
