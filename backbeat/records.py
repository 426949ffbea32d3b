"""`backbeat records`: the recorded runs of train, search and evaluate, as a table, one by one, or as a page."""

from __future__ import annotations

import dataclasses
import webbrowser
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from backbeat.output import BadUsage, CommandFailed, Flag, console, emit, notice, table
from backbeat.recording import Record, open_records
from backbeat.records_page import page as drawn
from backbeat.settings import Settings

app = App(name="records", help="Recorded runs of train, search and evaluate.")
SHORT = 8  # letters of a run's id that are shown, and are enough to name it


@app.command(name="list")
def list_runs(*, model: str | None = None, data: str | None = None, json: Flag = False) -> None:
    """Every recorded run, the newest first.

    Args:
        model: Only runs of that learner.
        data: Only runs on that data set.
        json: One JSON document on one line.
    """
    found = [
        each for each in _records() if (model is None or each.model == model) and (data is None or each.data == data)
    ]
    if json:
        emit({"runs": [_document(each) for each in found]})
        return
    columns = ["run", "ended", "kind", "model", "data", "best metrics", "code", "data version"]
    rows = [
        [
            each.run_id[:SHORT],
            each.ended and f"{each.ended:%Y-%m-%d %H:%M}",
            each.kind,
            each.model,
            each.data,
            ", ".join(f"{name} {value:.4f}" for name, value in headline(each)),
            each.code_version,
            each.data_version[:SHORT],
        ]
        for each in found
    ]
    console().print(table("recorded runs", columns, rows))


@app.command
def show(run: str, /, *, json: Flag = False) -> None:
    """All that is known of one run.

    Args:
        run: Its id, or the beginning of it.
        json: One JSON document on one line.
    """
    found = [each for each in _records() if run and each.run_id.startswith(run)]
    if len(found) != 1:
        wanted = "wanted the beginning of one id; `backbeat records list` has them"
        raise BadUsage(f"run {run!r}: found {len(found)} of that beginning; {wanted}")
    if json:
        emit(_document(found[0]))
        return
    document = _document(found[0])
    for part in ("parameters", "metrics"):
        told = document.pop(part)
        console().print(table(part, ["name", "value"], list(told.items())))
    curves = document.pop("curves")
    console().print(table("run", ["what", "value"], list(document.items())))
    for name, points in curves.items():
        console().print(table(name, ["step", "value"], points))


@app.command
def page(*, out: Path | None = None, open_it: Annotated[bool, Parameter(name="--open", negative=())] = False) -> None:
    """Write all recorded runs as one HTML page that needs nothing else: sortable, with their curves.

    Args:
        out: Where to; by default into BACKBEAT_HOME/reports.
        open_it: Show it in the browser.
    """
    target = out or Settings.from_environment().home.reports / "records.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(drawn(_records()), encoding="utf-8")
    notice(f"wrote {target}")
    if open_it and not webbrowser.open(target.resolve().as_uri()):
        raise CommandFailed(f"opening {target}: found no browser")


def headline(record: Record) -> list[tuple[str, float]]:
    """What a run is told by in a line: accuracy, without how lists spread."""
    return [(name, value) for name, value in record.metrics.items() if "@" in name]


def _records() -> list[Record]:
    return open_records(Settings.from_environment()).all()


def _document(record: Record) -> dict[str, Any]:
    ended = record.ended.isoformat(timespec="seconds") if record.ended else None
    told = dataclasses.asdict(record)
    return {"run": told.pop("run_id"), **told, "ended": ended}
