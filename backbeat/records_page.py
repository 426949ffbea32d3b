"""All recorded runs as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backbeat.recording import Curve, Record
from models.pages import rendered

WIDTH, HEIGHT, MARGIN = 320, 90, 4  # of a curve, in its own units


@dataclass(frozen=True)
class Drawn:
    """A curve as the points of an SVG polyline, and what its ends are."""

    name: str
    points: str
    dots: tuple[tuple[float, float], ...]
    steps: str
    values: str


def page(records: Sequence[Record]) -> str:
    """The page: a table that sorts by any column, and the curves of each run that has some."""
    metrics = sorted({name for record in records for name in record.metrics if "@" in name})
    runs = [(record, [_drawn(name, points) for name, points in record.curves.items() if points]) for record in records]
    return rendered("records.html", runs=runs, metrics=metrics, width=WIDTH, height=HEIGHT)


def _drawn(name: str, points: Curve) -> Drawn:
    steps, values = [step for step, _ in points], [value for _, value in points]
    places = tuple(
        (
            round(MARGIN + (WIDTH - 2 * MARGIN) * _share(step, min(steps), max(steps)), 2),
            round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * _share(value, min(values), max(values)), 2),
        )
        for step, value in points
    )
    return Drawn(
        name,
        " ".join(f"{x},{y}" for x, y in places),
        places,
        f"{min(steps)} to {max(steps)}",
        f"{min(values):.4g} to {max(values):.4g}",
    )


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5
