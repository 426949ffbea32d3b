"""`backbeat recommend`: one listener's shelf with its reasons, by the code that the API answers with."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from backbeat.output import BadUsage, CommandFailed, Flag, Limit, console, emit, notice, refuse_beyond, table
from backbeat.settings import Settings
from backbeat.wiring import open_lake, open_rows
from models.base import ModelBroken
from models.registry import Registry
from serving.answers import Item, MixesAnswer
from serving.app import new_id
from serving.parameters import MAX_LIMIT
from serving.service.lake_charts import LakeCharts
from serving.service.reader import Reader
from serving.service.recommending import Question
from serving.service.shelves import Shelf
from warehouse.events import MAX_ID_CHARACTERS, Id
from warehouse.stores.log import now_ms
from warehouse.stores.rows import RowsUnavailable

MIXES = "mixes"
SEEDS = 2**53  # as many as a number of JSON can tell apart


def recommend(
    listener: str,
    /,
    *,
    shelf: str = Shelf.DISCOVER,
    n: Limit = 10,
    seed: int | None = None,
    ids: Flag = False,
    json: Flag = False,
) -> None:
    """What to play to a listener, and why.

    Args:
        listener: Whom.
        shelf: discover (not heard yet), on-repeat, next (after the last track), popular,
            weekly-discovery, or mixes (the parts of a taste).
        n: How many tracks, of each mix.
        seed: Vary the order, the same way each time; mixes have none.
        ids: Tell the id of each track too, as `backbeat similar` and the API take it.
        json: One JSON document on one line, as the API answers.
    """
    refuse_beyond("-n", n, MAX_LIMIT)
    question = None if shelf == MIXES else _question(listener, shelf, n, seed)
    who = checked_id(listener, "a listener's id")
    with opened_reader(Settings.from_environment()) as reader:
        recommender = reader.recommender(clock=now_ms, new_id=new_id, shown=lambda _: None)
        answer = recommender.answer(question) if question else recommender.mixes(who, n)
    if json:
        emit(answer)
        return
    for remark in (answer.reason, None if answer.model_version else "`backbeat run` makes a model."):
        if remark:
            notice(remark)
    if isinstance(answer, MixesAnswer):
        for mix in answer.mixes:
            _print(f"{mix.name or 'a mix'}, for {who}", mix.items, ids)
    else:
        _print(f"{answer.shelf} for {who} (model {answer.model_version or 'none'})", answer.items, ids)


@contextmanager
def opened_reader(settings: Settings) -> Iterator[Reader]:
    """What reads rows, models and charts of these settings, the published model loaded. Raises `CommandFailed`."""
    logging.getLogger("backbeat").addHandler(logging.NullHandler())  # a problem is told once, as the command's failure
    try:
        rows = open_rows(settings)
        try:
            models = Registry(settings.home.models, settings.keep_models)
            reader = Reader(rows, models, LakeCharts(lambda: open_lake(settings)))
            reader.published.refresh()
            if reader.published.problem:
                raise CommandFailed(f"{reader.published.problem}{_way_around(models)}")
            yield reader
        finally:
            rows.close()
    except RowsUnavailable as error:
        raise CommandFailed(str(error)) from error


def _way_around(models: Registry) -> str:
    """The command that gets by without a served model that cannot be loaded; none where no pointer says which it is."""
    try:
        served = models.published()
    except ModelBroken:
        return ""
    return f"; `{models.mending(served)}` gets by without it" if served else ""


def _question(listener: str, shelf: str, count: int, seed: int | None) -> Question:
    if shelf not in set(Shelf):
        raise BadUsage(f"there is no shelf {shelf!r}; wanted one of {', '.join(Shelf)}, {MIXES}")
    if seed is not None and not 0 <= seed < SEEDS:
        raise BadUsage(f"--seed is {seed}; wanted a whole number from 0 to {SEEDS - 1}")
    return Question(checked_id(listener, "a listener's id"), Shelf(shelf), count, seed)


def checked_id(text: str, what: str) -> str:
    """The id itself, by the rule of the API. Raises `BadUsage`."""
    try:
        text.encode()
        return msgspec.convert(text, Id)
    except (msgspec.ValidationError, UnicodeEncodeError):
        wanted = f"1 to {MAX_ID_CHARACTERS} characters of UTF-8 that can be printed"
        raise BadUsage(f"{what}: found {len(text)} characters, {text[:40]!r}; wanted {wanted}") from None


def _print(title: str, items: Sequence[Item], ids: bool) -> None:
    columns = ["", "track", "artist", "from", "why", *(["id"] if ids else [])]
    rows = [
        (item.slot + 1, item.title or item.track_id, item.artist, item.source, item.reason, item.track_id)
        for item in items
    ]
    console().print(table(title, columns, [row[: len(columns)] for row in rows]))
