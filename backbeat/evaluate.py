"""`backbeat evaluate`: the models beside each other, on a file of plays or on the lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from cyclopts import Parameter
from threadpoolctl import threadpool_limits

from backbeat.output import BadUsage, CommandFailed, console, emit, notice, table
from backbeat.settings import Settings
from backbeat.wiring import open_lake
from models.als import AlsConfig
from models.evaluation.lineup import contestants
from models.evaluation.run import Evaluation
from models.evaluation.run import evaluate as measured
from models.evaluation.splits import (
    LAST_SESSION,
    TIME,
    SessionPlays,
    Split,
    SplitImpossible,
    default_split_day,
    last_session,
    time_split,
)
from models.files import write_json
from models.history import History
from models.report import page
from warehouse.rules.quantity import SECOND_MS
from warehouse.rules.sessions import opens_session
from warehouse.stores.lake import NoSuchTable
from warehouse.tables import FEATURES_TASTE, FEATURES_TRANSITIONS

THIRTY_MUSIC = ("session_id", "user_id", "song_id", "ts")
PLAIN = ("listener", "track", "started_ms")
WANTED = f"the columns {', '.join(PLAIN)} and perhaps session, or 30Music's {', '.join(THIRTY_MUSIC)}"


def evaluate(
    *,
    data: Path | None = None,
    split: Literal["last-session", "time"] | None = None,
    split_day: date | None = None,
    report: Path | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Measure every model on plays that it has not seen, with 95% intervals.

    Args:
        data: Parquet or CSV of plays, every row of which counts; without it the lake is measured.
        split: last-session (the default for a file) asks for each next track of each listener's last session; time
            (the default for the lake) asks for what is played after a day.
        split_day: The first day of the test, with --split time; by default the last tenth of the days tests.
        report: Where the HTML report goes; by default into BACKBEAT_HOME/reports.
        json: One JSON document on one line.
    """
    settings = Settings.from_environment()
    way = split or (LAST_SESSION if data else TIME)
    if split_day and way != TIME:
        raise BadUsage(f"--split-day {split_day} with --split {way}; it says where --split {TIME} divides")
    try:
        divided = _split_of_file(data, way, split_day) if data else _split_of_lake(settings, way, split_day)
    except SplitImpossible as error:
        raise CommandFailed(f"evaluating: {error}") from error
    with threadpool_limits(1, "blas"):
        found = measured(contestants(divided, AlsConfig()), divided)
    document = found.document()
    _write(document, found, report or settings.home.reports / f"evaluation-{way}.html")
    if json:
        emit(document)
    else:
        _show(document)


def _write(document: dict[str, Any], found: Evaluation, report: Path) -> None:
    report.parent.mkdir(parents=True, exist_ok=True)
    write_json(report.with_suffix(".json"), document)
    report.write_text(page(found), encoding="utf-8")
    notice(f"wrote {report} and {report.with_suffix('.json').name}")


def _show(document: dict[str, Any]) -> None:
    k = document["k"]
    metrics = [f"{name}@{k}" for name in ("hit", "recall", "ndcg", "mrr")]
    spreads = ["coverage", "novelty", "popularity_percentile"]
    rows = [
        [name, *(_with_interval(figures, metric) for metric in metrics), *(figures[spread] for spread in spreads)]
        for name, figures in document["models"].items()
    ]
    title = f"{document['boundary']}: {document['listeners']:,} listeners, {document['steps']:,} cases"
    console().print(table(title, ["model", *metrics, *spreads], rows))


def _with_interval(figures: dict[str, Any], metric: str) -> str:
    low, high = figures["intervals"][metric]
    return f"{figures[metric]:.4f} ({low:.4f} to {high:.4f})"


def _split_of_lake(settings: Settings, way: str, split_day: date | None) -> Split:
    if way != TIME:
        raise BadUsage(f"--split {way} without --data; the lake is split by {TIME}")
    lake = open_lake(settings)
    try:
        history = History.from_tables(lake.read(FEATURES_TASTE), lake.read(FEATURES_TRANSITIONS))
    except NoSuchTable as error:
        raise CommandFailed(f"evaluating the lake: {error}; `backbeat run` makes it") from error
    return _divided(history, split_day)


def _split_of_file(path: Path, way: str, split_day: date | None) -> Split:
    listeners, tracks, sessions, started_ms = _columns(_plays(path), path)
    if way == TIME:
        return _divided(History.from_plays(listeners, tracks, started_ms), split_day)
    if sessions is None:
        sessions = _sessions(listeners, started_ms)
    return last_session(SessionPlays(listeners, tracks, sessions, started_ms))


def _divided(history: History, split_day: date | None) -> Split:
    try:
        first, as_of = history.span()
    except ValueError as error:
        raise CommandFailed(f"evaluating: {error}") from error
    return time_split(history, split_day or default_split_day(first, as_of), as_of)


def _plays(path: Path) -> pa.Table:
    """The file as a table. Raises `CommandFailed` where it is missing or is neither Parquet nor CSV."""
    try:
        if path.suffix.lower() in {".csv", ".tsv"}:
            options = pyarrow.csv.ParseOptions(delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            return pyarrow.csv.read_csv(path, parse_options=options)
        return pyarrow.parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise CommandFailed(f"reading {path}: {error}; wanted Parquet, CSV or TSV with {WANTED}") from error


def _columns(plays: pa.Table, path: Path) -> tuple[Any, Any, Any | None, Any]:
    """Labels of listener, track and (where told) session, and the start in UTC ms."""
    names = set(plays.column_names)
    if names >= set(THIRTY_MUSIC):
        listeners, tracks, sessions = (plays[name] for name in ("user_id", "song_id", "session_id"))
        started_ms = pc.multiply(plays["ts"], SECOND_MS)
    elif names >= set(PLAIN):
        listeners, tracks, started_ms = (plays[name] for name in PLAIN)
        sessions = plays["session"] if "session" in names else None
    else:
        raise CommandFailed(f"reading {path}: found the columns {', '.join(plays.column_names)}; wanted {WANTED}")
    told = [listeners, tracks, started_ms] if sessions is None else [listeners, tracks, sessions, started_ms]
    if any(column.null_count for column in told) or not pa.types.is_integer(started_ms.type):
        raise CommandFailed(f"reading {path}: found nulls, or starts that are {started_ms.type}; wanted whole numbers")
    return _labels(listeners), _labels(tracks), None if sessions is None else _labels(sessions), _labels(started_ms)


def _labels(column: pa.ChunkedArray) -> Any:
    """Numbers as they are, everything else as text; both sort."""
    if pa.types.is_integer(column.type):
        return column.to_numpy().astype(np.int64)
    return column.cast(pa.string()).to_numpy()


def _sessions(listeners: Any, started_ms: Any) -> Any:
    """A number for each session [plays]: half an hour of silence, from start to start, opens one."""
    codes = np.unique(listeners, return_inverse=True)[1]
    order = np.lexsort((started_ms, codes))
    opens = (np.diff(codes[order], prepend=-1) != 0) | opens_session(np.diff(started_ms[order], prepend=0))
    sessions = np.empty(len(order), np.int64)
    sessions[order] = np.cumsum(opens)
    return sessions
