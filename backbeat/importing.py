"""`backbeat import`: listening histories from files into the lake."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from backbeat.output import BadUsage, CommandFailed, Flag, console, emit, table
from backbeat.settings import Settings
from backbeat.wiring import open_log
from jobs.importers.intake import Progress, Request, Summary
from jobs.importers.intake import import_plays as bring_in
from jobs.importers.sample import Source
from jobs.importers.told import ImportRefused
from warehouse.stores.lock import LakeLocked
from warehouse.stores.log import now_ms


def import_plays(
    *paths: str,
    listener: str | None = None,
    kind: Annotated[str | None, Parameter(name="--format")] = None,
    mapping: Annotated[list[str] | None, Parameter(name="--map", negative="")] = None,
    source: str | None = None,
    json: Flag = False,
) -> None:
    """Bring listening histories into the lake; what is there already is not added twice.

    Args:
        paths: Files, folders or zip archives.
        listener: Whose plays they are, where the files do not say.
        kind: The format, where it is not to be recognised.
        mapping: OURS=THEIRS or OURS=THEIRS:UNIT (s, ms, iso): which column of a CSV or Parquet file means what.
        source: What to call the teller of a CSV or Parquet file that does not name one.
        json: Print one JSON document.
    """
    if not paths:
        raise BadUsage("import: found no PATH; wanted a file, a folder or a zip archive")
    settings = Settings.from_environment()
    request = Request([asked_path(path) for path in paths], listener, kind, mapped_columns(mapping or ()), source)
    try:
        with _progress() as progress, closing(open_log(settings)) as log:
            summary = bring_in(request, settings.home, now_ms=now_ms(), log=log, progress=progress)
    except (ImportRefused, LakeLocked) as error:
        raise CommandFailed(str(error)) from error
    if json:
        emit(summary)
    else:
        _show(summary)


def asked_path(text: str) -> Path:
    """The path that was written, but for none: it would mean the current folder. Raises `BadUsage`."""
    if not text:
        raise BadUsage("found an empty PATH; wanted a file, a folder or a zip archive")
    return Path(text)


def mapped_columns(mapping: Sequence[str]) -> dict[str, Source]:
    """`started_ms=when:s` as our column, theirs and its unit. Raises `BadUsage`."""
    columns = {}
    for text in mapping:
        ours, equals, theirs = text.partition("=")
        if not (ours and equals and theirs):
            raise BadUsage(f"import: --map {text!r} found; wanted OURS=THEIRS or OURS=THEIRS:UNIT")
        name, colon, unit = theirs.rpartition(":")
        columns[ours] = Source(name, unit) if colon and unit in ("s", "ms", "iso") else Source(theirs)
    return columns


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """A line that counts rows on a terminal; nothing elsewhere, where the summary says it all."""
    if not sys.stderr.isatty():
        yield None
        return
    with Console(stderr=True).status("reading") as status:
        yield lambda file, rows: status.update(f"{file}: {rows:,} rows read")


def _show(summary: Summary) -> None:
    rows = [(f.file, f.format, f.rows + f.track_rows + f.slot_rows, f.ignored, f.quarantined) for f in summary.files]
    out = console()
    out.print(table(f"import {summary.import_id}", ["file", "format", "rows", "ignored", "quarantined"], rows))
    for name in summary.skipped:
        out.print(f"passed over {name}: no known format", markup=False)
    for reason, times in sorted(summary.reasons.items()):
        out.print(f"ignored {times:,}: {reason}", markup=False)
    out.print(
        f"{summary.rows:,} rows: {summary.added:,} added, {summary.repeated:,} known before, "
        f"{summary.ignored:,} ignored, {summary.quarantined:,} quarantined; "
        f"{summary.tracks:,} tracks written"
        + (f", {summary.impressions:,} slots that were shown" if summary.slot_rows else "")
    )
    if summary.quarantined:
        query = "SELECT file, line, reason FROM raw.quarantine"
        out.print(f'why rows were quarantined: backbeat sql --query "{query}"', markup=False, soft_wrap=True)
    if summary.days is None:
        out.print("no day reopened")
    else:
        count = f"{summary.days.count:,} day" + ("s" if summary.days.count != 1 else "")
        out.print(f"reopened {count}, {summary.days.first} to {summary.days.last}: `backbeat run` recomputes them")
