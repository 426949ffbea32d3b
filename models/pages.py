"""What pages share: their templates and style, and plots drawn into them, so that a page needs nothing else."""

from __future__ import annotations

import io
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

COLOURS = ("#7a869a", "#e8871e", "#2a9d8f", "#5b6ee1", "#c2477f", "#8a6d3b")
INK = "#808590"  # reads on white and on black
WHISKERS: dict[str, Any] = {"error_kw": {"ecolor": INK, "elinewidth": 1.2, "capsize": 3}}


def rendered(template: str, **values: Any) -> str:
    """A template of this room as a page."""
    templates = Environment(
        loader=PackageLoader("models", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(template).render(**values)


def panel() -> tuple[Figure, Any]:
    """An empty figure and its axes, which read on white and on black."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK)
    axes.grid(axis="y", color=INK, alpha=0.2)
    return figure, axes


def legend(axes: Any) -> None:
    """Above the panel, where it covers nothing."""
    axes.legend(frameon=False, labelcolor=INK, ncols=6, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)


def drawn(figure: Figure) -> Markup:
    """The figure as SVG, to stand in the page itself; equal figures are equal text."""
    drawing = io.StringIO()
    with rc_context({"svg.hashsalt": "backbeat"}):
        figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None})
    text = drawing.getvalue()
    return Markup(text[text.index("<svg") :])  # noqa: S704 (drawn here, from numbers and our own labels)
