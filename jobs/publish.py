"""model.verdict and features.* -> model.published and rows: fit once on everything before the day, and serve it."""

from __future__ import annotations

from functools import partial
from typing import Any

from jobs.als_engines import fit
from jobs.candidate import Brief, CandidateFolder, CandidateStale
from jobs.evaluate import Evaluated
from jobs.gate import Decision
from jobs.model_card import card_name, model_card
from jobs.run import JobRun, StepRefused
from jobs.serving_rows import write_rows
from jobs.training_data import TrainingData, training_data
from jobs.two_stages import fitted, outcomes_before, sessions_before
from models.als import AlsConfig
from models.artifact import Artifact, artifact_sha256
from models.popularity import fit_popularity
from models.ranking.training import Learned
from models.ranking.two_stage import TwoStage
from models.registry import Registry
from models.repeat import fit_repeat
from models.transitions import TransitionsConfig, fit_transitions
from warehouse.tables import FEATURES_MATRIX, FEATURES_TRANSITIONS


def main(run: JobRun) -> None:
    """Write the rows, then the artifact, and only then move the pointer: an answer never finds half of it."""
    folder = CandidateFolder(run.wiring.home.candidate)
    brief = folder.brief(run.as_of)
    decision = folder.read("verdict", Decision, "gate")
    if not decision.passed:
        raise StepRefused("the gate has refused this candidate: " + " ".join(decision.reasons))
    evaluated = folder.read("evaluation", Evaluated, "evaluate")
    artifact = _artifact(run, brief, evaluated)
    rows = run.wiring.open_rows()
    try:
        run.tally.written += write_rows(run, rows)
    finally:
        rows.close()
    registry = Registry(run.wiring.home.models, run.wiring.keep_models)
    version = registry.publish(artifact)
    run.tally.facts |= {"model_version": version, "artifact_sha256": artifact_sha256(registry.folder(version))}
    card = run.wiring.home.reports / card_name(version)
    card.parent.mkdir(parents=True, exist_ok=True)
    card.write_text(model_card(run.lake, registry, version), encoding="utf-8")


def _artifact(run: JobRun, brief: Brief, evaluated: Evaluated) -> Artifact:
    made_as_of = run.lake.commit_metadata(FEATURES_MATRIX).get("as_of")
    if made_as_of != run.as_of.isoformat():
        found = f"{FEATURES_MATRIX.name} is as of {made_as_of}, the candidate as of {run.as_of}"
        raise CandidateStale(f"{found}: another run came between; run the plan train again")
    matrix = run.lake.read(FEATURES_MATRIX)
    data = training_data(matrix, run.lake.read(FEATURES_TRANSITIONS, as_of=run.as_of), sessions_before(run))
    run.tally.read += matrix.num_rows
    two_stage, learned = fitted(data, partial(outcomes_before, run), run.as_of, evaluated.two_stage) or (None, None)
    run.tally.facts["two_stages"] = "none" if two_stage is None else "published"
    return Artifact(
        as_of=run.as_of,
        split_day=brief.split_day,
        catalog=data.catalog,
        als=fit(run, data.interactions, AlsConfig(**brief.candidate)),
        popularity=fit_popularity(data.interactions),
        repeat=fit_repeat(data.interactions),
        transitions=fit_transitions(data.interactions, TransitionsConfig()),
        two_stage=two_stage,
        counts=_counts(data, learned),
        metrics=_metrics(evaluated),
    )


def _counts(data: TrainingData, learned: Learned | None) -> dict[str, int]:
    """Of what the models are made; the last two are what the ranker of the two stages learned from."""
    return {
        "listeners": data.interactions.listeners,
        "tracks": data.interactions.tracks,
        "pairs": int(data.interactions.weights.nnz),
        "transitions": int(data.interactions.transitions.nnz),
        **({} if learned is None else {"replayed moments": learned.replayed, "logged answers": learned.logged}),
    }


def _metrics(evaluated: Evaluated) -> dict[str, Any]:
    measured = evaluated.measured.figures if evaluated.measured else {}
    return measured if evaluated.two_stage is None else {**measured, TwoStage.name: evaluated.two_stage}
