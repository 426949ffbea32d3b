"""What docs/runbook.md says of a step that failed: what it means, how to see it, the command that mends it."""

from __future__ import annotations

from pathlib import Path

RUNBOOK = Path(__file__).resolve().parents[1] / "docs" / "runbook.md"


def advice(step: str, runbook: Path = RUNBOOK) -> str:
    """The step's entry on one line, or where it ought to be when the file is not installed or has none."""
    entry = entries(runbook.read_text(encoding="utf-8")).get(step) if runbook.is_file() else None
    return f"{step} failed: {entry or 'no entry'} (docs/runbook.md#{step})"


def entries(text: str) -> dict[str, str]:
    """Each `### step` heading's text, on one line, in the order of the file."""
    sections = text.split("\n### ")[1:]
    return {head.strip(): _one_line(body) for head, _, body in (section.partition("\n") for section in sections)}


def _one_line(body: str) -> str:
    before_next_part = body.split("\n## ")[0]
    return " ".join(line.removeprefix("- ").strip() for line in before_next_part.splitlines() if line.strip())
