"""model.candidate -> model.evaluation: both configurations, and simpler models, on the days after the split."""

from __future__ import annotations

from typing import Any

import msgspec

from jobs.candidate import Brief, CandidateFolder, history_before, split_of
from jobs.run import JobRun
from jobs.two_stages import tried
from models.als import AlsModel
from models.evaluation.run import Contestant, Evaluation, evaluate
from models.evaluation.splits import Split
from models.popularity import fit_popularity
from models.ranking.trial import NEXT_TRACK, NEXT_TRACK_OF_TRANSITIONS
from models.repeat import fit_repeat
from models.transitions import TransitionsConfig, fit_transitions

METRIC = "ndcg@20"


class Measured(msgspec.Struct, frozen=True):
    """NDCG@20 by warm test listener [listeners], in one order for all; `figures` are the whole evaluation.

    A listener without a play before the split is answered by popularity, whatever the candidate.
    """

    candidate: list[float]
    published: list[float] | None
    popularity: list[float]
    figures: dict[str, Any]


class Evaluated(msgspec.Struct, frozen=True):
    """What was measured; None where nobody has plays on both sides of the split, or too little to fit two stages."""

    measured: Measured | None
    two_stage: dict[str, Any] | None = None


def main(run: JobRun) -> None:
    """Measure, and leave the figures where the gate and the artifact find them."""
    folder = CandidateFolder(run.wiring.home.candidate)
    brief = folder.brief(run.as_of)
    evaluated = _evaluated(run, folder, brief)
    folder.write("evaluation", evaluated)
    run.tally.facts |= _facts(evaluated)


def _evaluated(run: JobRun, folder: CandidateFolder, brief: Brief) -> Evaluated:
    if brief.split_day is None:
        return Evaluated(None)
    split = split_of(history_before(run.lake, run.as_of), brief)
    run.tally.read += len(split.cases)
    evaluation = evaluate(_contestants(split, AlsModel.load(folder.model("candidate"))), split)
    if not evaluation.warm.any():
        return Evaluated(None)
    return Evaluated(_measured(folder, brief, split, evaluation), tried(run, brief))


def _facts(evaluated: Evaluated) -> dict[str, Any]:
    """What was found, each figure with the task that it is of: the two are not to be compared."""
    measured, trial = evaluated.measured, evaluated.two_stage
    if measured is None:
        return {"measured": "nothing: nobody has plays on both sides of the split"}
    mean = sum(measured.candidate) / len(measured.candidate)
    found = {f"ALS {METRIC} (all that is played after the split)": round(mean, 4)}
    if trial is None:
        return {**found, "two stages": "not tried: too little is played on one side of the split"}
    told = {name: round(trial[name], 4) for name in (NEXT_TRACK, NEXT_TRACK_OF_TRANSITIONS)}
    return {**found, **told, "two stages": "passed" if trial["passed"] else "worse than transitions: not published"}


def _contestants(split: Split, als: AlsModel) -> list[Contestant]:
    train = split.train
    return [
        Contestant(fit_popularity(train), False, "decayed plays of everybody"),
        Contestant(fit_repeat(train), False, "the listener's own decayed plays"),
        Contestant(fit_transitions(train, TransitionsConfig()), False, "the last track before the split"),
        Contestant(als, False, "the listener's decayed plays"),
    ]


def _measured(folder: CandidateFolder, brief: Brief, split: Split, evaluation: Evaluation) -> Measured:
    candidate = evaluation.of("als").by_listener(METRIC, evaluation.warm).tolist()
    published = None if brief.published is None else candidate
    if folder.model("published").exists():
        other = Contestant(AlsModel.load(folder.model("published")), False, "as published")
        published = evaluate([other], split).of("als").by_listener(METRIC, evaluation.warm).tolist()
    popularity = evaluation.of("popularity").by_listener(METRIC, evaluation.warm).tolist()
    return Measured(candidate, published, popularity, evaluation.document())
