"""features.* -> model.candidate: the candidate's and the published configuration, fitted on the same days."""

from __future__ import annotations

from dataclasses import asdict

from jobs.als_engines import fit
from jobs.candidate import Brief, CandidateFolder, history_before, published_config, recipe, split_day_of, split_of
from jobs.run import JobRun
from models.als import AlsConfig
from models.base import ModelBroken
from models.registry import Registry


def main(run: JobRun) -> None:
    """Fit both before the split day, or say that there is too little history to split."""
    home, folder = run.wiring.home, CandidateFolder(run.wiring.home.candidate)
    history = history_before(run.lake, run.as_of)
    candidate, published = recipe(home.root), _published(run, Registry(home.models))
    split_day = split_day_of(history)
    brief = Brief(run.as_of, split_day, asdict(candidate), asdict(published) if published else None)
    folder.begin(brief)
    run.tally.read += len(history.plays)
    if split_day is None:
        run.tally.facts["split_day"] = "none: less than two days of plays"
        return
    train = split_of(history, brief).train
    for side, config in _sides(candidate, published).items():
        fit(run, train, config).save(folder.model(side))
    run.tally.facts["split_day"] = split_day.isoformat()


def _published(run: JobRun, registry: Registry) -> AlsConfig | None:
    """None where what is published cannot be read, as after a change of format: a new model must still come."""
    try:
        return published_config(registry)
    except ModelBroken as error:
        run.tally.facts["published_model"] = f"not compared with: {error}"
        return None


def _sides(candidate: AlsConfig, published: AlsConfig | None) -> dict[str, AlsConfig]:
    """What to fit: an equal configuration is fitted once."""
    sides = {"candidate": candidate}
    if published is not None and published != candidate:
        sides["published"] = published
    return sides
