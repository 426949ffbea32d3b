"""How every benchmark ends: one JSON line on standard output, and the same in bench/results."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Result:
    """What was measured, beside its peer in the same run.

    `goal` says in words what `ok` judges; without a goal the figure stands for itself. `details` add to it.
    """

    bench: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    goal: str | None = None
    ok: bool = True
    details: dict[str, Any] = field(default_factory=dict)


def write(result: Result, results: Path = RESULTS) -> None:
    """Print the line and write the file that docs quote."""
    document = asdict(result)
    document.update(document.pop("details"), machine=machine())
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{result.bench}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def machine() -> dict[str, Any]:
    """What it ran on."""
    return {"cores": os.cpu_count(), "python": platform.python_version(), "processor": _processor()}


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
