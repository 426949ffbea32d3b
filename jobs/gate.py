"""model.evaluation -> model.verdict: a candidate that is worse than what it would replace is refused."""

from __future__ import annotations

import msgspec
import numpy as np

from jobs.candidate import CandidateFolder
from jobs.evaluate import Evaluated, Measured
from jobs.run import JobRun, StepRefused
from models.gate import judge


class Decision(msgspec.Struct, frozen=True):
    """Whether to publish, and why."""

    passed: bool
    reasons: list[str]


def main(run: JobRun) -> None:
    """Write the verdict down. Raises `StepRefused` with its reasons; what is published stays."""
    folder = CandidateFolder(run.wiring.home.candidate)
    folder.brief(run.as_of)
    decision = decide(folder.read("evaluation", Evaluated, "evaluate").measured)
    folder.write("verdict", decision)
    run.tally.facts["verdict"] = "passed" if decision.passed else "refused"
    if not decision.passed:
        raise StepRefused("the candidate is not published: " + " ".join(decision.reasons))


def decide(measured: Measured | None) -> Decision:
    """The verdict on what was measured; with nothing to measure on, the first model may pass."""
    if measured is None:
        return Decision(True, ["Nobody has plays on both sides of a split in time, so nothing could be measured."])
    published = None if measured.published is None else np.array(measured.published)
    verdict = judge(np.array(measured.candidate), published, np.array(measured.popularity))
    return Decision(verdict.passed, list(verdict.reasons))
