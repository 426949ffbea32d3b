"""What docs/runbook.md says of a step that failed: what it means, how to see it, the command that mends it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

RUNBOOK = Path(__file__).resolve().parents[1] / "docs" / "runbook.md"

DAMAGE = "a-damaged-file"  # an entry that is no step's


def advice(step: str, runbook: Path = RUNBOOK) -> str:
    """Where the entry of a step, or `DAMAGE`, is, and its points, each on a line; or that there is none."""
    entry = entries(runbook.read_text(encoding="utf-8")).get(step) if runbook.is_file() else None
    told = "The lake is damaged" if step == DAMAGE else f"{step} failed"
    return "\n".join([f"{told}, see docs/runbook.md#{step}", *(entry or ["  there is no such entry"])])


def mending(table: str, location: str, days: Iterable[str | None]) -> str:
    """What brings back damaged files of a table there, of those days where it has any (a file of no day has None).

    What is made of `raw.*` is made anew, `raw.*` itself is not.
    """
    listed = sorted({day for day in days if day is not None})
    if table.startswith("raw."):
        return "restoring the file (docs/runbook.md#a-damaged-file)"
    if listed:
        return f"backbeat run tables --reopen {listed[0]}" + (f"..{listed[-1]}" if listed[1:] else "")
    return f"rm -r {shlex.quote(location)} && backbeat run"


def entries(text: str) -> dict[str, list[str]]:
    """Each `### step` heading's points by its anchor, each on one line, in the order of the file."""
    sections = text.split("\n### ")[1:]
    return {
        head.strip().lower().replace(" ", "-"): _points(body)
        for head, _, body in (section.partition("\n") for section in sections)
    }


def _points(body: str) -> list[str]:
    before_next_part = body.split("\n## ")[0]
    points = before_next_part.split("\n- ")[1:]
    return ["  " + " ".join(point.split()) for point in points]
