"""`backbeat evaluate`: models beside each other, on a benchmark, on a file of plays or on the lake."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal

from threadpoolctl import threadpool_limits

from backbeat.code_version import code_version
from backbeat.datasets import PROTOCOLS, Protocol, data_version, open_data, recipe_name, refuse_absent
from backbeat.interrupts import ends_at_once
from backbeat.learning import as_parameters, settings_of
from backbeat.output import BadUsage, CommandFailed, Flag, console, emit, notice, table
from backbeat.plays_file import read_plays
from backbeat.recording import Record, open_records
from backbeat.settings import Settings
from backbeat.wiring import open_lake
from models.als import AlsConfig
from models.evaluation.compared import compared
from models.evaluation.lineup import contestants
from models.evaluation.run import Evaluation
from models.evaluation.run import evaluate as measured
from models.evaluation.splits import (
    LAST_SESSION,
    TIME,
    Split,
    SplitImpossible,
    default_split_day,
    last_session,
    time_split,
)
from models.files import write_json
from models.history import History
from models.report import page
from warehouse.stores.lake import NoSuchTable
from warehouse.tables import FEATURES_TASTE, FEATURES_TRANSITIONS

Document = dict[str, Any]


def evaluate(
    *,
    data: Path | None = None,
    split: Literal["last-session", "time", "next", "new", "all", "cold"] | None = None,
    split_day: date | None = None,
    models: str | None = None,
    k: int | None = None,
    report: Path | None = None,
    json: Flag = False,
) -> None:
    """Measure models on plays that they have not seen, with 95% intervals.

    A benchmark's folder, and a file with --split next, new or all, are answered by the learners that have a recipe for
    it. Anything else is answered by popularity, repeats, transitions and ALS as they are by default.

    Args:
        data: A benchmark's folder, or Parquet or CSV of plays, every row of which counts; without it the lake.
        split: Of a file, last-session (the default) and next ask for each next track of each listener's last session;
            time (the default for the lake), new and all ask for what is played after a day, new only for tracks that
            are new to the listener. Of HetRec's folder, cold asks for artists that nobody has played.
        split_day: The first day of the test, with --split time, new or all; by default the last tenth of the days
            tests, and for 30Music what is played from 2014-12-21 on.
        models: Learners by name, with commas between, instead of those that have a recipe.
        k: How long lists are; by default as the benchmark has it, or 20.
        report: Where the HTML report goes; by default into BACKBEAT_HOME/reports.
        json: One JSON document on one line.
    """
    if k is not None and k < 1:
        raise BadUsage(f"--k is {k}; wanted 1 or more")
    settings = Settings.from_environment()
    if data and (not data.is_file() or split in PROTOCOLS):
        protocol = next((each for each in PROTOCOLS if each == split), None)
        if split and not protocol:
            refuse_absent(data)
            raise BadUsage(f"--split {split} with {data}, which is no file of plays: a benchmark has its own split")
        document, found = _benchmark(settings, data, protocol, split_day, models, k)
    else:
        if models or k:
            raise BadUsage(_no_learners(data))
        document, found = _plays(settings, data, split, split_day)
    _write(
        document, found, report or settings.home.reports / f"evaluation-{document.get('data', document['split'])}.html"
    )
    if json:
        emit(document)
    else:
        _show(document)
    open_records(settings).add(_records(settings, data, document, found))


def _no_learners(data: Path | None) -> str:
    """What --models and --k lack."""
    if data is None:
        return "--models or --k without --data: the lake is measured with the models that are published from it"
    return f"--models or --k with {data}, a file of plays: add --split next (or new, or all), which measure learners"


def _benchmark(
    settings: Settings, path: Path, protocol: Protocol | None, split_day: date | None, models: str | None, k: int | None
) -> tuple[Document, Evaluation]:
    dataset = open_data(path, protocol, split_day)
    length = dataset.k if k is None else k
    if not 0 < length <= dataset.folds[0].known:
        catalog = f"a catalog of {dataset.folds[0].known:,} tracks"
        raise CommandFailed(f"evaluating {path}: lists of {length} of {catalog}; wanted --k from 1 to as many")
    chosen = settings_of(models, recipe_name(dataset.name), settings.home.recipes)
    try:
        with ends_at_once(_interrupted), threadpool_limits(1, "blas"):
            found = compared(dataset, chosen, length, notice, leaves_out=models is None)
    except (ValueError, SplitImpossible) as error:
        raise CommandFailed(f"evaluating {path}: {error}") from error
    document = {"data": dataset.name, "protocol": dataset.protocol, **found.document()}
    for name, figures in document["models"].items():
        figures["settings"] = as_parameters(chosen[name])
    return document, found


def _plays(
    settings: Settings, data: Path | None, split: str | None, split_day: date | None
) -> tuple[Document, Evaluation]:
    way = split or (LAST_SESSION if data else TIME)
    if split_day and way != TIME:
        raise BadUsage(f"--split-day {split_day} with --split {way}; it says where --split {TIME}, new and all divide")
    try:
        divided = _split_of_file(data, way, split_day) if data else _split_of_lake(settings, way, split_day)
    except SplitImpossible as error:
        raise CommandFailed(f"evaluating: {error}") from error
    with ends_at_once(_interrupted), threadpool_limits(1, "blas"):
        found = measured(contestants(divided, AlsConfig()), divided)
    return found.document(), found


def _interrupted() -> str:
    return "backbeat: interrupted; nothing was written"


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
    plays = read_plays(path).plays
    if way == TIME:
        return _divided(History.from_plays(plays.listeners, plays.tracks, plays.started), split_day)
    return last_session(plays)


def _divided(history: History, split_day: date | None) -> Split:
    try:
        _, as_of = history.span()
    except ValueError as error:
        raise CommandFailed(f"evaluating: {error}") from error
    return time_split(history, split_day or default_split_day(history.days, history.plays), as_of)


def _write(document: Document, found: Evaluation, report: Path) -> None:
    report.parent.mkdir(parents=True, exist_ok=True)
    write_json(report.with_suffix(".json"), document)
    report.write_text(page(found), encoding="utf-8")
    notice(f"wrote {report} and {report.with_suffix('.json').name}")


def _show(document: Document) -> None:
    k = document["k"]
    metrics = [f"{name}@{k}" for name in ("hit", "recall", "ndcg", "mrr")]
    spreads = ["coverage", "novelty", "popularity_percentile"]
    rows = [
        [name, *(_with_interval(figures, metric) for metric in metrics), *(figures[spread] for spread in spreads)]
        for name, figures in document["models"].items()
    ]
    title = f"{document['boundary']}: {document['listeners']:,} listeners, {document['steps']:,} cases"
    console().print(table(title, ["model", *metrics, *spreads], rows))


def _with_interval(figures: Document, metric: str) -> str:
    low, high = figures["intervals"][metric]
    return f"{figures[metric]:.4f} ({low:.4f} to {high:.4f})"


def _records(settings: Settings, data: Path | None, document: Document, found: Evaluation) -> Iterator[Record]:
    """A run for each model."""
    if data:
        name, hashed = document.get("data", f"{data.stem} {document['split']}"), data_version(data)
    else:
        name, hashed = "the lake", f"{FEATURES_TASTE.name} version {open_lake(settings).version(FEATURES_TASTE)}"
    code = code_version()
    for model, figures in document["models"].items():
        metrics = {metric: value for metric, value in figures.items() if isinstance(value, float)}
        chosen, seconds = figures.get("settings", {}), found.of(model).seconds
        yield Record("evaluate", model, name, hashed, code, seconds, chosen, metrics)
