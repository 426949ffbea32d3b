"""One import from start to end: every file read, checked and staged first, then written under the lake's lock."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

from jobs.importers.admission import admitted
from jobs.importers.formats import BY_NAME, FORMATS, IMPRESSIONS, TRACKS, Format
from jobs.importers.impressions import admitted_slots
from jobs.importers.inputs import Input, inputs, printable, readable
from jobs.importers.landing import Landed, land, land_names
from jobs.importers.room import needing_room, refuse_without_room
from jobs.importers.sample import Reading, Sample, Source
from jobs.importers.staging import Staging
from jobs.importers.told import About, ImportedRows, ImportRefused
from warehouse.events import MAX_ID_CHARACTERS, MAX_LABEL_CHARACTERS, identity_of
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake, OutdatedTable
from warehouse.stores.landing import voided_until
from warehouse.stores.lock import LakeLock
from warehouse.stores.log import Log
from warehouse.stores.repeats import erased_until
from warehouse.tables import RAW_IMPRESSIONS, RAW_PLAYS, RAW_QUARANTINE, RAW_TRACKS

_SCRATCH = "import-"
Progress = Callable[[str, int], None]  # told the file at work and the rows read so far, after each batch


@dataclass(frozen=True)
class Request:
    """What is to be imported, and how where the files do not say.

    `format` names one of `FORMATS`, or None to recognise each file; `columns` maps our columns to a table's own;
    `source` names the teller of a table.
    """

    paths: Sequence[Path]
    listener: str | None = None
    format: str | None = None
    columns: Mapping[str, Source] = field(default_factory=dict)
    source: str | None = None


@dataclass
class FileTally:
    """What was found in one file. `rows` tell plays; `track_rows` tell of tracks alone, `slot_rows` what was shown."""

    file: str
    format: str
    rows: int = 0
    track_rows: int = 0
    slot_rows: int = 0
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
    """What an import did: rows = added + repeated + ignored + quarantined, all of them rows that tell of plays.

    `reasons` says why rows were ignored; `skipped` are files of a folder or an archive that no format claims; `tracks`
    counts those that are new or have more known of them; `track_rows` are the rows of files that tell of tracks alone;
    `slot_rows` those that tell what was shown, `impressions` the slots that were added; `days` is None where no play
    was.
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
    track_rows: int
    impressions: int
    slot_rows: int
    days: Days | None


def import_plays(
    request: Request, home: Home, *, now_ms: int, log: Log | None = None, progress: Progress | None = None
) -> Summary:
    """Bring those files into the lake of `home`, or raise and change nothing.

    What a listener erased with everything else is added again; `log` tells of erasures that have not landed yet.

    Raises `ImportRefused` where a file cannot be read or a disk is full, and `LakeLocked` where another process is at
    work.
    """
    with needing_room("importing", home.root), _at_work(home) as scratch:
        staging, reader = _staged(request, scratch, now_ms, progress)
        lake = Lake(home.lake_url)
        _refuse_outdated(lake)
        refuse_without_room(staging, lake)
        voids = erased_until(lake) if log is None else voided_until(lake, log)
        with needing_room("importing", lake.url):
            landed = land(staging, lake, import_id=reader.import_id, received_ms=now_ms, voids=voids, scratch=scratch)
        return _summary(reader, landed)


@dataclass(frozen=True)
class ReadPlays:
    """Files that were read and are in no lake yet: what would be imported is in `staging`, counts in `summary`.

    Of `summary` only what the files say is known: nothing is added, repeated or written yet.
    """

    staging: Staging
    summary: Summary


def read_plays(request: Request, scratch: Path, *, now_ms: int, progress: Progress | None = None) -> ReadPlays:
    """Read those files as an import would, into `scratch`. Raises `ImportRefused` where a file cannot be read."""
    staging, reader = _staged(request, scratch, now_ms, progress)
    return ReadPlays(staging, replace(_summary(reader, Landed(0, 0, 0, None, None, 0)), repeated=0))


def import_names(told: ReadPlays, home: Home, scratch: Path, *, now_ms: int) -> int:
    """Bring what those files tell of tracks, and their bad rows, into the lake, and no play; how many tracks.

    Raises `LakeLocked` where another process is at work.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    with LakeLock(home.lock, purpose="import names"):
        lake = Lake(home.lake_url)
        return land_names(told.staging, lake, import_id=told.summary.import_id, received_ms=now_ms, scratch=scratch)


def _staged(request: Request, scratch: Path, now_ms: int, progress: Progress | None) -> tuple[Staging, _Reader]:
    _refuse_names(request)
    with Staging(scratch) as staging:
        reader = _Reader(request, staging, now_ms, progress)
        for file in inputs(request.paths, scratch):
            reader.read(file)
    if not reader.files:
        raise ImportRefused(_nothing_found(request, reader.skipped))
    return staging, reader


@contextmanager
def _at_work(home: Home) -> Iterator[Path]:
    """The lake's lock, and a folder for this import; those of imports that were killed go: under it none is alive."""
    home.root.mkdir(parents=True, exist_ok=True)
    with LakeLock(home.lock, purpose="import"):
        for left_behind in home.root.glob(f"{_SCRATCH}*"):
            shutil.rmtree(left_behind)
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=home.root) as folder:
            yield Path(folder)


@dataclass
class _Reader:
    """Reads files into a staging, and keeps count."""

    request: Request
    staging: Staging
    now_ms: int
    progress: Progress | None
    files: list[FileTally] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    digests: list[str] = field(default_factory=list)

    @property
    def import_id(self) -> str:
        """Named by what was asked and what the files hold, so that the same import told again is the same."""
        asked = (self.request.listener, self.request.source, sorted(self.request.columns.items(), key=str))
        return identity_of("import", repr(asked), *self.digests)

    def total(self, name: str) -> int:
        return sum(getattr(file, name) for file in self.files)

    def read(self, file: Input) -> None:
        """All rows of one file, or a note that no format claims it. Raises `ImportRefused`."""
        with readable(file.name):
            self._read(file)

    def _read(self, file: Input) -> None:
        sample = file.sample()
        found = _format_of(file, sample, self.request)
        if found is None:
            self.skipped.append(file.name)
            return
        tally = FileTally(file.name, found.name)
        self.files.append(tally)
        self.digests.append(_digest(file.path))
        listener = _listener(found, file, self.request)
        reading = Reading(file.name, sample, listener, self.request.source, self.request.columns)
        for told in found.read(file.path, reading):
            self._stage(told, tally, listener)
            if self.progress:
                self.progress(file.name, self.total("rows"))

    def _stage(self, told: ImportedRows, tally: FileTally, listener: str | None) -> None:
        of_slots = told.about is About.IMPRESSIONS
        checked = admitted_slots(told, self.now_ms) if of_slots else admitted(told, self.now_ms, listener)
        self.staging.add_quarantine(tally.file, checked.quarantined)
        if of_slots:
            self.staging.add_impressions(checked.rows)
            tally.slot_rows += told.count
        elif told.about is About.TRACKS:
            self.staging.add_tracks(checked.rows)
            tally.track_rows += told.count
        else:
            self.staging.add_plays(checked.rows)
            tally.rows += told.count
        tally.quarantined += len(checked.quarantined)
        tally.ignored += sum(told.ignored.values())
        self.reasons.update(told.ignored)


def _refuse_names(request: Request) -> None:
    for name, most, what in (
        (request.listener, MAX_ID_CHARACTERS, "listener"),
        (request.source, MAX_LABEL_CHARACTERS, "source"),
    ):
        if name is not None and not (name.isprintable() and 1 <= len(name) <= most):
            raise ImportRefused(f"importing: found --{what} {name!r}; wanted 1 to {most} printable characters")


def _refuse_outdated(lake: Lake) -> None:
    try:
        for table in (RAW_TRACKS, RAW_QUARANTINE, RAW_IMPRESSIONS, RAW_PLAYS):
            lake.refuse_outdated(table)
    except OutdatedTable as error:
        raise ImportRefused(f"importing: {error}") from error


def _format_of(file: Input, sample: Sample, request: Request) -> Format | None:
    """The format asked for or the first that recognises the file; None to pass over a file nobody asked for by name."""
    candidates = FORMATS if request.format is None else (_named(request.format),)
    for candidate in candidates:
        if candidate.recognises(sample, request.columns):
            return candidate
    if not file.alone:
        return None
    if sample.cut_off:
        raise ImportRefused(f"reading {file.name}: found {_found(sample)}; wanted the whole file: download it again")
    wanted = "; or ".join(f"{candidate.name}: {candidate.wanted}" for candidate in candidates)
    raise ImportRefused(f"reading {file.name}: found {_found(sample)}; wanted {wanted}")


def _named(name: str) -> Format:
    if name not in BY_NAME:
        raise ImportRefused(f"importing: found the format {name!r}; wanted one of {', '.join(BY_NAME)}")
    return BY_NAME[name]


def _listener(found: Format, file: Input, request: Request) -> str | None:
    if found.names_listeners is False and request.listener is None:
        raise ImportRefused(f"reading {file.name}: {found.name} does not say who listened; wanted --listener ID")
    if found.names_listeners and request.listener is not None:
        raise ImportRefused(f"reading {file.name}: {found.name} says who listened; wanted no --listener")
    return request.listener


def _found(sample: Sample) -> str:
    if not sample.head:
        return "an empty file"
    if sample.parquet:
        return f"Parquet with the columns {', '.join(sample.columns)}"
    if b"\0" in sample.head:
        return f"bytes that are no text, beginning with {sample.head[:8]!r}"
    return f"{'JSON that was cut off' if sample.cut_off else 'text'} beginning with {sample.text[:60]!r}"


def _nothing_found(request: Request, skipped: Sequence[str]) -> str:
    where = ", ".join(printable(str(path)) for path in request.paths)
    found = f"{len(skipped)} files that none of them claims" if skipped else "no files"
    return f"importing {where}: found {found}; wanted {request.format or ', '.join(BY_NAME)}"


def _digest(path: Path) -> str:
    hashed = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    return hashed.hexdigest()


def _summary(reader: _Reader, landed: Landed) -> Summary:
    plays = [file for file in reader.files if file.format not in (TRACKS, IMPRESSIONS)]
    rows, ignored, quarantined = (sum(getattr(f, name) for f in plays) for name in ("rows", "ignored", "quarantined"))
    days = None
    if landed.first_day is not None and landed.last_day is not None:
        days = Days(landed.first_day.isoformat(), landed.last_day.isoformat(), landed.days)
    return Summary(
        import_id=reader.import_id,
        files=tuple(reader.files),
        skipped=tuple(reader.skipped),
        rows=rows,
        added=landed.added,
        repeated=rows - ignored - quarantined - landed.added,
        ignored=ignored,
        quarantined=quarantined,
        reasons=dict(reader.reasons),
        tracks=landed.tracks,
        track_rows=reader.total("track_rows"),
        impressions=landed.impressions,
        slot_rows=reader.total("slot_rows"),
        days=days,
    )
