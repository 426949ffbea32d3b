"""An evaluation as one HTML page that needs nothing else: tables, intervals, and plots drawn into it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from matplotlib.figure import Figure

from models.base import Floats
from models.evaluation.run import Evaluation, Outcome

COLOURS = ("#7a869a", "#e8871e", "#2a9d8f", "#5b6ee1", "#c2477f", "#8a6d3b")
METRICS = ("hit", "recall", "ndcg", "mrr")
SPREADS = {
    "coverage": "share of the catalog recommended to anybody",
    "novelty": "bits of surprise a recommendation",
    "popularity_percentile": "how popular the recommended are, 1 is the most",
    "gini": "inequality of being recommended, 0 is none",
}


def page(evaluation: Evaluation) -> str:
    """The whole page. Equal evaluations give equal pages: it carries no time."""
    templates = Environment(
        loader=PackageLoader("models", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    document = evaluation.document()
    return templates.get_template("evaluation.html").render(
        document=document,
        metrics=[f"{metric}@{evaluation.k}" for metric in METRICS],
        against=f"ndcg@{evaluation.k} minus {evaluation.outcomes[0].name}",
        spreads=SPREADS,
        segments=_segments(document),
        best=_best(document, [f"{metric}@{evaluation.k}" for metric in METRICS]),
        plots=[
            ("Accuracy, with 95% intervals", _drawn(_accuracy(document, evaluation.k))),
            ("Accuracy by how much a listener has played", _drawn(_by_segment(document, evaluation.k))),
            ("How deep in the catalog recommendations reach", _drawn(_reach(evaluation))),
        ],
    )


def _segments(document: dict[str, Any]) -> list[str]:
    return list(next(iter(document["models"].values()))["segments"])


def _best(document: dict[str, Any], metrics: Sequence[str]) -> dict[str, str]:
    """Which model leads in each metric."""
    models = document["models"]
    return {metric: max(models, key=lambda name: models[name][metric]) for metric in metrics}


def _accuracy(document: dict[str, Any], k: int) -> Figure:
    figure, axes = _panel()
    names = [f"{metric}@{k}" for metric in METRICS]
    models = document["models"]
    width = 0.8 / len(models)
    for place, (model, figures) in enumerate(models.items()):
        means = np.array([figures[name] for name in names])
        bounds = np.array([figures["intervals"][name] for name in names]).T
        reach = np.abs(bounds - means)
        x = np.arange(len(names)) + (place - (len(models) - 1) / 2) * width
        axes.bar(x, means, width * 0.9, yerr=reach, color=COLOURS[place % len(COLOURS)], label=model, **_WHISKERS)
    axes.set_xticks(range(len(names)), names)
    _legend(axes)
    return figure


def _by_segment(document: dict[str, Any], k: int) -> Figure:
    figure, axes = _panel()
    segments = _segments(document)
    for place, (model, figures) in enumerate(document["models"].items()):
        values = [figures["segments"][segment][f"ndcg@{k}"] for segment in segments]
        axes.plot(range(len(segments)), values, marker="o", color=COLOURS[place % len(COLOURS)], label=model)
    axes.set_xticks(range(len(segments)), [segment.replace(": ", "\n") for segment in segments])
    axes.set_ylabel(f"ndcg@{k}", color=_INK)
    axes.set_ylim(bottom=0)
    _legend(axes)
    return figure


def _reach(evaluation: Evaluation) -> Figure:
    figure, axes = _panel()
    order = np.argsort(-evaluation.split.train.popularity, kind="stable")
    share = np.arange(1, len(order) + 1) / len(order)
    axes.plot(share, _cumulative(evaluation.split.train.popularity[order]), color=_INK, ls=":", label="plays")
    for place, outcome in enumerate(evaluation.outcomes):
        shown = _times_shown(outcome, len(order))[order]
        axes.plot(share, _cumulative(shown), color=COLOURS[place % len(COLOURS)], label=outcome.name)
    axes.set_xscale("log")
    axes.set_xlabel("share of the catalog, the most popular first", color=_INK)
    axes.set_ylabel("share of recommendations", color=_INK)
    _legend(axes)
    return figure


def _times_shown(outcome: Outcome, tracks: int) -> Floats:
    return np.bincount(outcome.lists[outcome.lists >= 0], minlength=tracks).astype(np.float64)


def _cumulative(amounts: Floats) -> Floats:
    return np.cumsum(amounts) / max(amounts.sum(), 1.0)


_INK = "#808590"  # reads on white and on black
_WHISKERS: dict[str, Any] = {"error_kw": {"ecolor": _INK, "elinewidth": 1.2, "capsize": 3}}


def _panel() -> tuple[Figure, Any]:
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_INK)
    axes.tick_params(colors=_INK)
    axes.grid(axis="y", color=_INK, alpha=0.2)
    return figure, axes


def _legend(axes: Any) -> None:
    """Above the panel, where it covers nothing."""
    axes.legend(frameon=False, labelcolor=_INK, ncols=6, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)


def _drawn(figure: Figure) -> Markup:
    """The figure as SVG, to stand in the page itself."""
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None})
    text = drawing.getvalue()
    return Markup(text[text.index("<svg") :])  # noqa: S704 (drawn here, from numbers and our own labels)
