"""One import from start to end: every file read, checked and staged first, then written under the lake's lock."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from jobs.importers.admission import admitted
from jobs.importers.formats import BY_NAME, FORMATS, Format
from jobs.importers.inputs import Input, inputs
from jobs.importers.landing import Landed, land
from jobs.importers.sample import Reading, Sample, Source
from jobs.importers.staging import Staging
from jobs.importers.told import ImportRefused
from warehouse.events import identity_of
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.stores.lock import LakeLock

Progress = Callable[[str, int], None]  # told the file at work and the rows read so far, after each batch


@dataclass(frozen=True)
class Request:
    """What is to be imported. `format` names one of `FORMATS`, or None to recognise each file; `columns` maps our
    columns to a table's own; `source` renames the teller of a table that does not name one.
    """

    paths: Sequence[Path]
    listener: str | None = None
    format: str | None = None
    columns: Mapping[str, Source] = field(default_factory=dict)
    source: str | None = None


@dataclass
class FileTally:
    """What was found in one file. `rows` tell plays, `track_rows` only tracks."""

    file: str
    format: str
    rows: int = 0
    track_rows: int = 0
    ignored: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class Days:
    """UTC days that an import added plays to."""

    first: str
    last: str
    count: int


@dataclass(frozen=True)
class Summary:
    """What an import did: rows = added + repeated + ignored + quarantined. `reasons` says why rows were ignored;
    `skipped` are files of a folder or an archive that no format claims; `days` is None where no play was added.
    """

    import_id: str
    files: tuple[FileTally, ...]
    skipped: tuple[str, ...]
    rows: int
    added: int
    repeated: int
    ignored: int
    quarantined: int
    reasons: Mapping[str, int]
    tracks: int
    days: Days | None


@dataclass
class _Count:
    """What an import has read so far."""

    files: list[FileTally] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    digests: list[str] = field(default_factory=list)

    def total(self, name: str) -> int:
        return sum(getattr(file, name) for file in self.files)


def import_plays(request: Request, home: Home, *, now_ms: int, progress: Progress | None = None) -> Summary:
    """Bring those files into the lake of `home`, or raise and change nothing.

    Raises `ImportRefused` where a file cannot be read, and `LakeLocked` where another process is at work.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    with LakeLock(home.lock, purpose="import"), tempfile.TemporaryDirectory(prefix="import-", dir=home.root) as folder:
        scratch = Path(folder)
        count = _Count()
        with Staging(scratch) as staging:
            for file in inputs(request.paths, scratch):
                _stage_file(file, request, staging, count, now_ms, progress)
        if not count.files:
            raise ImportRefused(_nothing_found(request, count))
        import_id = identity_of("import", repr((request.listener, request.source, request.columns)), *count.digests)
        landed = land(staging, Lake(home.lake_url), import_id=import_id, received_ms=now_ms, scratch=scratch)
        return _summary(import_id, count, landed)


def _stage_file(
    file: Input, request: Request, staging: Staging, count: _Count, now_ms: int, progress: Progress | None
) -> None:
    sample = file.sample()
    format = _format_of(file, sample, request)  # noqa: A001 - the word of the domain
    if format is None:
        count.skipped.append(file.name)
        return
    tally = FileTally(file.name, format.name)
    count.files.append(tally)
    count.digests.append(_digest(file.path))
    reading = Reading(file.name, _listener(format, file, request), request.source, request.columns, sample)
    for _ in _staged(file, format, reading, staging, tally, count, now_ms):
        if progress:
            progress(file.name, count.total("rows"))


def _staged(
    file: Input,
    format: Format,
    reading: Reading,
    staging: Staging,
    tally: FileTally,
    count: _Count,
    now_ms: int,  # noqa: A002 - the word of the domain
) -> Iterator[None]:
    for told in format.read(file.path, reading):
        checked = admitted(told, now_ms)
        staging.add_plays(checked.plays)
        staging.add_quarantine(file.name, checked.quarantined)
        tally.rows += told.count
        tally.quarantined += len(checked.quarantined)
        tally.ignored += sum(told.ignored.values())
        count.reasons.update(told.ignored)
        yield


def _format_of(file: Input, sample: Sample, request: Request) -> Format | None:
    """The format asked for or the first that recognises the file; None to pass over a file nobody asked for by name."""
    candidates = FORMATS if request.format is None else (_named(request.format),)
    for format in candidates:  # noqa: A001 - the word of the domain
        if format.recognises(sample, request.columns):
            return format
    if not file.alone:
        return None
    wanted = "; or ".join(f"{format.name}: {format.wanted}" for format in candidates)
    raise ImportRefused(f"reading {file.name}: found {_found(sample)}; wanted {wanted}")


def _named(name: str) -> Format:
    if name not in BY_NAME:
        raise ImportRefused(f"importing: no format is named {name!r}; there are {', '.join(BY_NAME)}")
    return BY_NAME[name]


def _listener(format: Format, file: Input, request: Request) -> str | None:  # noqa: A002 - the word of the domain
    if format.names_listeners is False and request.listener is None:
        raise ImportRefused(f"reading {file.name}: {format.name} does not say who listened; wanted --listener ID")
    if format.names_listeners and request.listener is not None:
        raise ImportRefused(f"reading {file.name}: {format.name} names its listeners; wanted no --listener")
    return request.listener


def _found(sample: Sample) -> str:
    if not sample.head:
        return "an empty file"
    if sample.parquet:
        return f"Parquet with the columns {', '.join(sample.columns)}"
    if b"\0" in sample.head:
        return f"bytes that are no text, beginning with {sample.head[:8]!r}"
    return f"text beginning with {sample.text[:60]!r}"


def _nothing_found(request: Request, count: _Count) -> str:
    where = ", ".join(str(path) for path in request.paths)
    passed = f"{len(count.skipped)} files of no known format" if count.skipped else "no files"
    return f"importing {where}: found {passed}; wanted {', '.join(request.format and [request.format] or BY_NAME)}"


def _digest(path: Path) -> str:
    hashed = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    return hashed.hexdigest()


def _summary(import_id: str, count: _Count, landed: Landed) -> Summary:
    rows, ignored, quarantined = (count.total(name) for name in ("rows", "ignored", "quarantined"))
    days = None
    if landed.first_day is not None and landed.last_day is not None:
        days = Days(landed.first_day.isoformat(), landed.last_day.isoformat(), landed.days)
    return Summary(
        import_id=import_id,
        files=tuple(count.files),
        skipped=tuple(count.skipped),
        rows=rows,
        added=landed.added,
        repeated=rows - ignored - quarantined - landed.added,
        ignored=ignored,
        quarantined=quarantined,
        reasons=dict(count.reasons),
        tracks=landed.tracks,
        days=days,
    )
