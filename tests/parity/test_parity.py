"""The stream's folds and the batch's functions over the same histories: plays, taste, opinions and sessions agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs.parity import batch_accounts
from streaming.features import FEATURES
from streaming.replaying import Timed, replay, timeline
from tests.parity.histories import History, Stores, histories, rounds, steady, tell
from warehouse.parity import Comparison, stream_account
from warehouse.rules.decay import TASTE_ENTRIES
from warehouse.stores.cut import Cut, CutRefused, cut
from warehouse.stores.landing import LANDINGS, landed_offsets, voided_until, without_repeats
from warehouse.stores.memory_rows import MemoryRows
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.stores.tastes import Tastes, put_names
from warehouse.tables import RAW_PLAYS
from warehouse.taste import RECENT_PLAYS

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]
PLAY_LANDING = LANDINGS[0]
TASTE = FEATURES["taste"]


class Books(Stores):
    """And what an import brought."""

    def bring_in(self, told: Sequence[History]) -> None:
        """The imported part of their histories, as importers land it."""
        rows = [
            {**row, "import_id": "import 1"}
            for history in told
            for event in history.events[: history.imported]
            for row in PLAY_LANDING.rows(event)
        ]
        table = pa.Table.from_pylist(rows, RAW_PLAYS.schema)
        voids = voided_until(self.lake, self.log)
        self.lake.append(RAW_PLAYS, without_repeats(self.lake, RAW_PLAYS, table, voids))


def told_and_landed(folder: Path, told: Sequence[History], long: Sequence[History] = ()) -> Books:
    books = Books(folder)
    books.bring_in(told)
    for at, events in enumerate(rounds(told)):
        tell(books.log, events)
        if at % 10 == 7:
            books.land()
    for history in long:
        for start in range(0, len(history.events), 40):
            tell(books.log, history.events[start : start + 40])
    books.land()
    return books


def rows_after(told: Iterator[Timed], names: Mapping[str, str]) -> MemoryRows:
    rows = MemoryRows()
    put_names(rows, names)
    replay(TASTE, rows, told)
    return rows


def in_time(log: SqliteLog, made: Cut) -> Iterator[Timed]:
    seeds = (
        Timed(0, *seed[1:]) for seed in made.seeds(TASTE.topics)
    )  # the tests' log has a clock of its own: imports came first
    return timeline(log, TASTE.topics, made.offsets, seeds)


def in_any_order_of_places(log: SqliteLog, made: Cut, random: Random) -> Iterator[Timed]:
    """Imports first, then each place in its own order, as consumers meet them."""
    waiting: dict[str, list[Timed]] = {}
    for record in in_time(log, made):
        if record.place.startswith("lake/"):
            yield record
        else:
            waiting.setdefault(record.place, []).append(record)
    while waiting:
        place = random.choice(sorted(waiting))
        for _ in range(min(random.randrange(1, 9), len(waiting[place]))):
            yield waiting[place].pop(0)
        if not waiting[place]:
            del waiting[place]


def compared(spark: SparkSession, made: Cut, *accounts: MemoryRows) -> list[Comparison]:
    batch = dict(batch_accounts(spark, made))
    results = []
    for rows in accounts:
        comparison, tastes = Comparison(), Tastes(rows)
        for listener_id in sorted(batch.keys() | tastes.listeners()):
            stream = stream_account(tastes.now(listener_id))
            comparison.add(listener_id, stream, batch.get(listener_id, type(stream)()))
        results.append(comparison)
    return results


def agree(comparison: Comparison) -> None:
    assert comparison.mismatches == 0, comparison.first


@pytest.mark.parametrize("seed", [1, 2])
def test_the_stream_says_what_the_batch_says(spark: SparkSession, tmp_path: Path, seed: int) -> None:
    long = [steady("long", 700, tracks=7), steady("wide", TASTE_ENTRIES + 300, tracks=10_000)]
    books = told_and_landed(tmp_path, histories(seed, 1_000), long)
    made = cut(books.lake, books.log, landed_offsets(books.lake), tmp_path / "cut")
    names, random = made.names(), Random(seed)  # noqa: S311  # a seeded shuffle, not a secret
    ordered = rows_after(in_time(books.log, made), names)
    shuffled = rows_after(in_any_order_of_places(books.log, made, random), names)
    for comparison in compared(spark, made, ordered, shuffled):
        agree(comparison)
        assert comparison.listeners > 900  # some have erased all that they had told
        assert min(comparison.compared.values()) > 400
    tastes = Tastes(ordered)
    assert (len(tastes.now("long").recent), len(tastes.now("wide").entries)) == (RECENT_PLAYS, TASTE_ENTRIES)


def test_they_agree_at_offsets_that_have_long_been_passed(spark: SparkSession, tmp_path: Path) -> None:
    books = told_and_landed(tmp_path, histories(3, 200))
    ends = landed_offsets(books.lake)
    some = {place: end // 2 for place, end in ends.items() if place.startswith("playback")}
    at = some | {place: end for place, end in ends.items() if place.startswith("listener.erased")}
    made = cut(books.lake, books.log, at, tmp_path / "cut")
    (comparison,) = compared(spark, made, rows_after(in_time(books.log, made), made.names()))
    agree(comparison)
    assert comparison.compared["opinions"] == 0
    assert comparison.compared["plays"] > 500


def test_they_agree_where_the_beginning_of_the_log_was_trimmed(spark: SparkSession, tmp_path: Path) -> None:
    books = told_and_landed(tmp_path, histories(4, 200))
    for topic in TASTE.topics:
        middle = books.log.read(topic, 0)[len(books.log.read(topic, 0)) // 2]
        assert books.log.trim(topic, middle.appended_ms) > 0
    made = cut(books.lake, books.log, landed_offsets(books.lake), tmp_path / "cut")
    assert made.trimmed
    (comparison,) = compared(spark, made, rows_after(in_time(books.log, made), made.names()))
    agree(comparison)
    assert comparison.compared["plays"] > 1_000
    with pytest.raises(CutRefused, match="begins at"):
        cut(books.lake, books.log, {}, tmp_path / "cut before")


def test_a_play_that_only_one_side_knows_is_found(spark: SparkSession, tmp_path: Path) -> None:
    books = told_and_landed(tmp_path, [], [steady("ada", 20, tracks=3)])
    made = cut(books.lake, books.log, landed_offsets(books.lake), tmp_path / "cut")
    without = (
        record._replace(events=[event for event in record.events if getattr(event, "play_id", None) != "p3"])
        for record in in_time(books.log, made)
    )
    (comparison,) = compared(spark, made, rows_after(without, made.names()))
    lost = comparison.first[0]
    assert (lost.listener_id, lost.kind, lost.key, lost.stream) == ("ada", "plays", "p3", None)
    assert {difference.kind for difference in comparison.first} == {"plays", "taste", "sessions"}
