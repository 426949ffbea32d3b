"""`backbeat replay`: the plays of a file told to the API one after the other, as players would tell them."""

from __future__ import annotations

import http.client
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import duckdb
import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from backbeat.importing import asked_path, mapped_columns
from backbeat.output import BadUsage, CommandFailed, Flag, console, emit
from backbeat.settings import Settings
from jobs.importers.intake import ReadPlays, Request, import_names, read_plays
from jobs.importers.told import ImportRefused
from serving.service.telling import MAX_LISTENS
from serving.tokens import sign
from warehouse.stores.duckdb_inputs import text_literal
from warehouse.stores.lock import LakeLocked
from warehouse.stores.log import now_ms

FASTEST = "max"
PATIENCE_SECONDS = 300.0  # for an API that is away
RETRY_SECONDS = 1.0  # where it doesn't say when to come back
TOKEN_SECONDS = 24 * 60 * 60
_FIELDS = (
    "listener_id, source_track_id AS track_id, started_ms, play_id, source, played_ms, track_ms, context, "
    "impression_id, slot, ended_by, device, country"
)
_ROWS_A_READ = 10_000
Listen = dict[str, Any]


@dataclass
class Tally:
    """What was told: plays, posts, and how often the API had to be asked again; tracks that were named."""

    plays: int = 0
    posts: int = 0
    retries: int = 0
    tracks: int = 0
    quarantined: int = 0
    seconds: float = 0.0


def replay(
    path: str,
    *,
    speed: str = FASTEST,
    url: str | None = None,
    batch: int = MAX_LISTENS,
    listener: str | None = None,
    kind: Annotated[str | None, Parameter(name="--format")] = None,
    mapping: Annotated[list[str] | None, Parameter(name="--map", negative="")] = None,
    source: str | None = None,
    json: Flag = False,
) -> None:
    """Tell the API the plays of a file that can be imported; their ids, sources and tracks are those of an import.

    The API carries no names of tracks, so those go into the lake, as an import would bring them, before the first play.

    Args:
        path: A file, a folder or a zip archive.
        speed: max, or how many times faster than they were heard.
        url: Where the API is; BACKBEAT_HOST and BACKBEAT_PORT by default.
        batch: Plays a post, 1 to 1,000.
        listener: Whose plays they are, where the file does not say.
        kind: The format, where it is not to be recognised.
        mapping: OURS=THEIRS or OURS=THEIRS:UNIT (s, ms, iso), as for an import.
        source: What to call the teller of a table that does not name one.
        json: One JSON document on one line.
    """
    if not 1 <= batch <= MAX_LISTENS:
        raise BadUsage(f"replay: found --batch {batch}; wanted 1 to {MAX_LISTENS}")
    factor = _factor(speed)
    settings = Settings.from_environment()
    place = _place(url or f"http://{settings.host}:{settings.port}")
    request = Request([asked_path(path)], listener, kind, mapped_columns(mapping or ()), source)
    tally = Tally()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="backbeat-replay-") as folder:
        try:
            told = read_plays(request, Path(folder), now_ms=now_ms())
            tally.tracks = import_names(told, settings.home, Path(folder), now_ms=now_ms())
        except (ImportRefused, LakeLocked) as error:
            raise CommandFailed(str(error)) from error
        tally.quarantined = told.summary.quarantined
        with _Api(place, settings.secret, tally) as api, _bar(told) as advance:
            for listens in _paced(_batches(told, batch, factor, alone=bool(settings.secret)), factor):
                api.tell(listens)
                advance(len(listens))
    tally.seconds = round(time.monotonic() - began, 3)
    if json:
        emit(asdict(tally))
    else:
        console().print(
            f"{tally.plays:,} plays told in {tally.posts:,} posts and {tally.seconds:,.1f} s, {tally.retries:,} asked "
            f"again; {tally.tracks:,} tracks named, {tally.quarantined:,} rows quarantined. `backbeat run` counts them."
        )


def _factor(speed: str) -> float | None:
    """None for as fast as can be."""
    if speed == FASTEST:
        return None
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise BadUsage(f"replay: found --speed {speed!r}; wanted {FASTEST} or a number above 0")
    return factor


def _place(url: str) -> SplitResult:
    with suppress(ValueError):  # brackets that do not close, a port above 65535
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    raise BadUsage(f"replay: found --url {url!r}; wanted http://HOST:PORT")


def _batches(told: ReadPlays, size: int, factor: float | None, *, alone: bool) -> Iterator[list[Listen]]:
    """In the order of the file, or of time where they are paced; `alone`, each batch of one listener, in turn."""
    order = "started_ms, file_row_number" if factor else "file_row_number"
    if alone and factor is None:
        order = f"listener_id, {order}"
    path = text_literal(told.staging.plays)
    query = f"SELECT {_FIELDS} FROM read_parquet({path}, file_row_number = true) ORDER BY {order}"  # noqa: S608  # our own names
    waiting: list[Listen] = []
    with duckdb.connect() as engine:
        for rows in engine.sql(query).to_arrow_reader(_ROWS_A_READ):
            for row in rows.to_pylist():
                listen = {name: value for name, value in row.items() if value is not None}
                if waiting and (len(waiting) == size or (alone and _who(listen) != _who(waiting[0]))):
                    yield waiting
                    waiting = []
                waiting.append(listen)
    if waiting:
        yield waiting


def _who(listen: Listen) -> str:
    return str(listen["listener_id"])


def _paced(batches: Iterator[list[Listen]], factor: float | None) -> Iterator[Sequence[Listen]]:
    """Each play when its time has come: those of a batch that begin together go together."""
    if factor is None:
        yield from batches
        return
    began = first_ms = None
    for batch in batches:
        if began is None or first_ms is None:
            began, first_ms = time.monotonic(), batch[0]["started_ms"]
        start = 0
        while start < len(batch):
            due = (batch[start]["started_ms"] - first_ms) / 1_000 / factor
            time.sleep(max(0.0, due - (time.monotonic() - began)))
            now = max(due, time.monotonic() - began)
            end = start + 1
            while end < len(batch) and (batch[end]["started_ms"] - first_ms) / 1_000 / factor <= now:
                end += 1
            yield batch[start:end]
            start = end


class _Api:
    """POST /v1/listens over one connection; an API that is away is waited for."""

    def __init__(self, place: SplitResult, secret: str, tally: Tally) -> None:
        self._place = place
        self._secret = secret
        self._tally = tally
        self._connection = self._connected()

    def __enter__(self) -> _Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def tell(self, listens: Sequence[Listen]) -> None:
        """Until they are accepted. Raises `CommandFailed` where they are refused, or nobody answers for too long."""
        body = msgspec.json.encode({"listens": listens})
        headers = {"Content-Type": "application/json", **self._token(_who(listens[0]))}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                status, told, later = self._post(body, headers)
            except (OSError, http.client.HTTPException) as error:
                status, told, later = HTTPStatus.SERVICE_UNAVAILABLE, str(error) or type(error).__name__, None
                self._connection.close()
                self._connection = self._connected()
            if status == HTTPStatus.ACCEPTED:
                self._tally.posts += 1
                self._tally.plays += len(listens)
                return
            if status != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                raise CommandFailed(f"telling {self._place.geturl()} {len(listens)} plays: found {status} {told}")
            self._tally.retries += 1
            time.sleep(RETRY_SECONDS if later is None else later)

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str, float | None]:
        self._connection.request("POST", f"{self._place.path.rstrip('/')}/v1/listens", body, headers)
        with closing(self._connection.getresponse()) as answer:
            told = answer.read().decode(errors="replace")
            later = answer.headers.get("Retry-After", "")
            return answer.status, told[:1_000], float(later) if later.isdecimal() else None

    def _connected(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._place.scheme == "https" else http.client.HTTPConnection
        return kind(self._place.hostname or "", self._place.port, timeout=60)

    def _token(self, listener_id: str) -> dict[str, str]:
        if not self._secret:
            return {}
        token = sign(listener_id, self._secret, now_ms=now_ms(), seconds=TOKEN_SECONDS)
        return {"Authorization": f"Bearer {token}"}


@contextmanager
def _bar(told: ReadPlays) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal; nothing elsewhere, where the tally says it all."""
    if not sys.stderr.isatty():
        yield int
        return
    columns = (TextColumn("telling"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("telling", total=told.summary.rows - told.summary.ignored - told.summary.quarantined)
        yield lambda plays: progress.advance(task, plays)
