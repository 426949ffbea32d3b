"""An evaluation as one HTML page that needs nothing else: tables, intervals, and plots drawn into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from models.base import Floats
from models.evaluation.run import Evaluation, Outcome
from models.pages import COLOURS, INK, WHISKERS, drawn, legend, panel, rendered

METRICS = ("hit", "recall", "ndcg", "mrr")
SPREADS = {
    "coverage": "share of the catalog recommended to anybody",
    "novelty": "bits of surprise a recommendation",
    "popularity_percentile": "how popular the recommended are, 1 is the most",
    "gini": "inequality of being recommended, 0 is none",
}


def page(evaluation: Evaluation) -> str:
    """The whole page. Equal evaluations give equal pages: it carries no time."""
    document = evaluation.document()
    return rendered(
        "evaluation.html",
        document=document,
        metrics=[f"{metric}@{evaluation.k}" for metric in METRICS],
        against=f"ndcg@{evaluation.k} minus {evaluation.outcomes[0].name}",
        spreads=SPREADS,
        segments=_segments(document),
        best=_best(document, [f"{metric}@{evaluation.k}" for metric in METRICS]),
        plots=[
            ("Accuracy, with 95% intervals", drawn(_accuracy(document, evaluation.k))),
            ("Accuracy by how much a listener has played", drawn(_by_segment(document, evaluation.k))),
            ("How deep in the catalog recommendations reach", drawn(_reach(evaluation))),
        ],
    )


def _segments(document: dict[str, Any]) -> list[str]:
    return list(next(iter(document["models"].values()))["segments"])


def _best(document: dict[str, Any], metrics: Sequence[str]) -> dict[str, str]:
    """Which model leads in each metric."""
    models = document["models"]
    return {metric: max(models, key=lambda name: models[name][metric]) for metric in metrics}


def _accuracy(document: dict[str, Any], k: int) -> Figure:
    figure, axes = panel()
    names = [f"{metric}@{k}" for metric in METRICS]
    models = document["models"]
    width = 0.8 / len(models)
    for place, (model, figures) in enumerate(models.items()):
        means = np.array([figures[name] for name in names])
        bounds = np.array([figures["intervals"][name] for name in names]).T
        reach = np.abs(bounds - means)
        x = np.arange(len(names)) + (place - (len(models) - 1) / 2) * width
        axes.bar(x, means, width * 0.9, yerr=reach, color=COLOURS[place % len(COLOURS)], label=model, **WHISKERS)
    axes.set_xticks(range(len(names)), names)
    legend(axes)
    return figure


def _by_segment(document: dict[str, Any], k: int) -> Figure:
    figure, axes = panel()
    segments = _segments(document)
    for place, (model, figures) in enumerate(document["models"].items()):
        values = [figures["segments"][segment][f"ndcg@{k}"] for segment in segments]
        axes.plot(range(len(segments)), values, marker="o", color=COLOURS[place % len(COLOURS)], label=model)
    axes.set_xticks(range(len(segments)), [segment.replace(": ", "\n") for segment in segments])
    axes.set_ylabel(f"ndcg@{k}", color=INK)
    axes.set_ylim(bottom=0)
    legend(axes)
    return figure


def _reach(evaluation: Evaluation) -> Figure:
    figure, axes = panel()
    order = np.argsort(-evaluation.split.train.popularity, kind="stable")
    share = np.arange(1, len(order) + 1) / len(order)
    axes.plot(share, _cumulative(evaluation.split.train.popularity[order]), color=INK, ls=":", label="plays")
    for place, outcome in enumerate(evaluation.outcomes):
        shown = _times_shown(outcome, len(order))[order]
        axes.plot(share, _cumulative(shown), color=COLOURS[place % len(COLOURS)], label=outcome.name)
    axes.set_xscale("log")
    axes.set_xlabel("share of the catalog, the most popular first", color=INK)
    axes.set_ylabel("share of recommendations", color=INK)
    legend(axes)
    return figure


def _times_shown(outcome: Outcome, tracks: int) -> Floats:
    return np.bincount(outcome.lists[outcome.lists >= 0], minlength=tracks).astype(np.float64)


def _cumulative(amounts: Floats) -> Floats:
    return np.cumsum(amounts) / max(amounts.sum(), 1.0)
