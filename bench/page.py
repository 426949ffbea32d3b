"""docs/benchmarks.md from bench/results: `python -m bench.page` writes it, a test holds it to the results."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from bench.report import RESULTS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `python -m bench.page` from the JSON in `bench/results`, which `make bench` (or `python -m bench NAME...`)
writes. Each is measured beside its peer in the same run, on the machine that its part names. A goal that was missed
stands here as missed.
"""
_SAID = ("bench", "value", "unit", "peer", "peer_value", "goal", "ok", "machine")


def page(results: Path = RESULTS) -> str:
    """The whole page."""
    files = (file for file in sorted(results.glob("*.json")) if file.name != "quality.json")  # has a page of its own
    found = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    rows = "\n".join(_row(result) for result in found)
    table = f"| benchmark | measured | peer | goal | |\n|---|---|---|---|---|\n{rows}\n"
    return "\n".join([HEAD, table, *(_part(result) for result in found)])


def _row(result: dict[str, Any]) -> str:
    peer = "" if result["peer"] is None else f"{_number(result['peer_value'])} ({result['peer']})"
    verdict = "" if result["goal"] is None else "met" if result["ok"] else "**missed**"
    name = result["bench"]
    measured = f"{_number(result['value'])} {result['unit']}"
    return f"| [{name}](#{name}) | {measured} | {peer} | {result['goal'] or ''} | {verdict} |"


def _part(result: dict[str, Any]) -> str:
    machine = result["machine"]
    lines = [f"- {_words(name)}: {_told(value)}" for name, value in result.items() if name not in _SAID]
    on = f"- machine: {machine['processor']}, {machine['cores']} cores, Python {machine['python']}"
    return "\n".join([f"## {result['bench']}\n", *lines, on, ""])


def _told(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{_words(str(name))} {_told(part)}" for name, part in value.items()) or "none"
        case list():
            return " to ".join(map(_told, value)) if len(value) == 2 else ", ".join(map(_told, value)) or "none"
        case bool() | str() | None:
            return str(value)
    return _number(value)


def _number(value: float) -> str:
    """To four digits, or all before the point where these are more."""
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) < 0.001:
        return f"{value:.3g}"
    told = f"{value:,.{max(3 - math.floor(math.log10(abs(value))), 0)}f}"
    return told.rstrip("0").rstrip(".") if "." in told else told


def _words(name: str) -> str:
    return f"{int(name):,}" if name.isdecimal() else name.replace("_", " ")


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
