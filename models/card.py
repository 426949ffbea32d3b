"""A published model's card, one HTML page: what it was made of, how good it is and to whom, and what it recommends.

After Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from models.artifact import Artifact
from models.base import NOBODY, Floats, Positions, Taste
from models.evaluation.exposure import PARTS, artist_exposure, by_tenths
from models.evaluation.run import SEGMENTS
from models.pages import COLOURS, INK, WHISKERS, drawn, legend, panel, rendered
from models.ranking.trial import NEXT_TRACK, NEXT_TRACK_OF_TRANSITIONS
from models.ranking.two_stage import TwoStage

LENGTH = 10  # tracks a list, of those that exposure is measured on
EXAMPLES, SHOWN = 3, 5
LEAST_PLAYS = 10  # of a listener who serves as an example
METRIC = "ndcg@20"


@dataclass(frozen=True)
class Names:
    """By position: what a track is called, and its artist by number, `NOBODY` where that is unknown."""

    tracks: Sequence[str]
    artists: Positions


@dataclass(frozen=True)
class Recommended:
    """One track of an example, and the tracks that it cites, the one that counts most first."""

    track: str
    because: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """A listener without a name: what they play most, and what they are recommended."""

    plays: float
    favourites: tuple[str, ...]
    recommended: tuple[Recommended, ...]


def card(
    version: str,
    artifact: Artifact,
    configs: Mapping[str, Any],
    names: Names,
    tastes: Sequence[Taste],
    difference: Mapping[str, Any] | None,
) -> str:
    """The page. `tastes` are a sample of listeners'; `difference` is that from the version before, if there is one."""
    lists = artifact.als.recommend_many(tastes, LENGTH, new_only=True)
    popularity = artifact.popularity.shares
    measured = artifact.metrics if "models" in artifact.metrics else None
    segments = _segments(measured) if measured else []
    return rendered(
        "card.html",
        version=version,
        artifact=artifact,
        configs=configs,
        measured=measured,
        trial=artifact.metrics.get(TwoStage.name),
        trial_figures=(NEXT_TRACK, NEXT_TRACK_OF_TRANSITIONS),
        metric=METRIC,
        segments=segments,
        by_segment=drawn(_by_segment(measured, segments)) if measured else None,
        sampled=len(tastes),
        length=LENGTH,
        tenths=drawn(_tenths(by_tenths(lists, popularity))) if len(tastes) else None,
        exposure=artist_exposure(lists, popularity, names.artists) if len(tastes) else None,
        examples=[_example(artifact, names, taste) for taste in _exemplary(tastes)],
        difference=difference,
        changed=_changed(difference) if difference else {},
    )


def _changed(difference: Mapping[str, Any]) -> dict[str, Any]:
    """Settings and counts; the metrics have their own part of the page."""
    return {name: values for name, values in difference["changed"].items() if not name.startswith("metrics.")}


def _segments(measured: Mapping[str, Any]) -> list[str]:
    """The segments that were measured, from those who played least on; a manifest keeps no order."""
    told = next(iter(measured["models"].values()))["segments"]
    return [name for name, *_ in SEGMENTS if name in told]


def _by_segment(measured: Mapping[str, Any], segments: Sequence[str]) -> Figure:
    """Each model in each segment of listeners, with 95% intervals."""
    figure, axes = panel()
    models = measured["models"]
    width = 0.8 / len(models)
    for place, (model, figures) in enumerate(models.items()):
        told = [figures["segments"][segment] for segment in segments]
        means = np.array([segment[METRIC] for segment in told])
        bounds = np.array([segment.get("intervals", {}).get(METRIC, [segment[METRIC]] * 2) for segment in told])
        x = np.arange(len(segments)) + (place - (len(models) - 1) / 2) * width
        reach = np.abs(bounds.T - means)
        axes.bar(x, means, width * 0.9, yerr=reach, color=COLOURS[place % len(COLOURS)], label=model, **WHISKERS)
    axes.set_xticks(range(len(segments)), [segment.replace(": ", "\n") for segment in segments])
    axes.set_ylabel(METRIC, color=INK)
    legend(axes)
    return figure


def _tenths(shares: Floats) -> Figure:
    figure, axes = panel()
    axes.bar(np.arange(PARTS), shares, color=COLOURS[2], label="recommendations")
    axes.axhline(1 / PARTS, color=INK, ls=":", label="plays")
    axes.set_xticks(range(PARTS), ["most\nplayed", *[""] * (PARTS - 2), "least\nplayed"])
    axes.set_xlabel("tenths of all plays, by how often their tracks are played", color=INK)
    axes.set_ylabel("share", color=INK)
    legend(axes)
    return figure


def _exemplary(tastes: Sequence[Taste]) -> list[Taste]:
    """The first with enough plays to say something of."""
    return [taste for taste in tastes if taste.weights.sum() >= LEAST_PLAYS][:EXAMPLES]


def _example(artifact: Artifact, names: Names, taste: Taste) -> Example:
    found = artifact.als.recommend(taste, SHOWN, taste.tracks).items
    cited = artifact.als.explain(taste, found, np.minimum(taste.weights, 1.0))
    favourites = taste.tracks[np.argsort(-taste.weights, kind="stable")[:SHOWN]]
    return Example(
        float(taste.weights.sum()),
        tuple(names.tracks[track] for track in favourites),
        tuple(
            Recommended(
                names.tracks[item], tuple(names.tracks[taste.tracks[place]] for place in places if place != NOBODY)
            )
            for item, places in zip(found, cited.places, strict=True)
        ),
    )
