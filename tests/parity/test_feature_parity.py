"""The folds of trends and outcomes and the batch's functions over the same log: they agree at the same offsets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from msgspec.structs import replace
from pyspark.sql import SparkSession

from jobs.expire import forget
from jobs.parity import batch_outcomes, batch_trends
from streaming.parity import outcomes, trends
from tests.parity.histories import TOPIC_OF
from tests.parity.test_parity import PLAY_LANDING, Books
from tests.streaming import answers
from tests.streaming.tastes import DAY, MIN, NOON, erasure, play
from warehouse.events import PLAYS, TOPICS, Event, Play
from warehouse.feature_parity import OUTCOMES, TRENDS, OutcomesAccount, hold_outcomes, hold_trends
from warehouse.parity import Tally
from warehouse.stores.cut import Cut, cut
from warehouse.stores.landing import landed_offsets
from warehouse.tables import RAW_ERASURES, RAW_PLAYS
from warehouse.trending import MONITORED, TOLD_AGAIN

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]
HOUR = 60 * MIN
LATEST = NOON + 4 * DAY


def heard(play_id: str, random: Random) -> Play:
    """Somebody's play of the last four days: in time or late, a skip now and then, from somewhere or nowhere."""
    told = play(
        play_id,
        f"t{int(40 * random.random() ** 2)}",
        LATEST - random.randrange(4 * DAY),
        played_ms=random.choice([3 * MIN, 3 * MIN, 5_000, None]),
        track_ms=random.choice([None, 0, 40_000]),
        source=random.choice(["backbeat", "lastfm"]),
        received_ms=LATEST + random.randrange(-10, 10) * MIN,
        listener_id=f"listener {random.randrange(30)}",
    )
    return replace(told, country=random.choice(["AT", "SE", None]))


def crowd(random: Random, plays: int) -> list[Event]:
    """Plays, some told again, some taken back, and a listener who leaves."""
    told = [heard(f"p{number}", random) for number in range(plays)]
    again = random.choices(told, k=plays // 10)
    gone = [replace(erasure(one.play_id), listener_id=one.listener_id) for one in random.choices(told, k=20)]
    events: list[Event] = [*told, *again, *gone, replace(erasure(received_ms=LATEST), listener_id="listener 1")]
    random.shuffle(events)
    return events


def full_hour(tracks: int) -> list[Event]:
    """More tracks within an hour than a row counts, in one partition, and one that is played between all others."""
    rare = [play(f"r{n}", f"rare {n}", NOON + n, received_ms=NOON, listener_id="ada") for n in range(tracks)]
    often = [play(f"o{n}", "often", NOON + n, received_ms=NOON, listener_id="ada") for n in range(tracks // 3)]
    return [event for at, one in enumerate(often) for event in (*rare[3 * at : 3 * at + 3], one)]


def told(books: Books, events: Sequence[Event], *, land_every: int = 900) -> None:
    """Each event a record of its own, landed now and then."""
    for at, event in enumerate(events):
        books.log.append(TOPIC_OF[type(event)], [event])
        if at % land_every == land_every - 1:
            books.land()
    books.land()


def told_late(books: Books, events: Sequence[Event]) -> None:
    """All at once: their erasures arrive after plays that were received after them, and have to be known first."""
    told(books, events, land_every=len(events))


def shown_and_played(random: Random, listeners: int) -> list[Event]:
    return [
        event
        for number in range(listeners)
        for event in answers.history(f"shown {number}", random, random.randrange(1, 40))
    ]


def at_the_end(books: Books, folder: Path) -> Cut:
    return cut(books.lake, books.log, landed_offsets(books.lake), folder)


def held(spark: SparkSession, books: Books, made: Cut) -> Iterator[Tally]:
    """Trends, then outcomes."""
    trending, shown = Tally(TRENDS), Tally(OUTCOMES)
    hold_trends(trending, trends(books.log, made), batch_trends(spark, made))
    yield trending
    streamed, batch = outcomes(books.log, made, made.newest_ms()), dict(batch_outcomes(spark, made, made.newest_ms()))
    for who in streamed.keys() | batch.keys():
        hold_outcomes(shown, who, streamed.get(who, OutcomesAccount()), batch.get(who, {}))
    yield shown


def test_trends_and_outcomes_say_what_the_batch_says(spark: SparkSession, tmp_path: Path) -> None:
    random = Random(7)  # noqa: S311  # no secret
    books = Books(tmp_path)
    imported = replace(heard("imported", random), received_ms=LATEST, started_ms=LATEST - HOUR, played_ms=3 * MIN)
    rows = [{**row, "import_id": "import 1"} for row in PLAY_LANDING.rows(imported)]
    books.lake.append(RAW_PLAYS, pa.Table.from_pylist(rows, RAW_PLAYS.schema))
    told(books, crowd(random, 3_000))
    told_late(books, shown_and_played(random, 60))
    for tally, least in zip(held(spark, books, at_the_end(books, tmp_path / "cut")), (1_000, 500), strict=True):
        assert tally.mismatches == 0, tally.first
        assert sum(tally.compared.values()) > least


def test_they_agree_once_the_lake_has_forgotten_what_was_taken_back(spark: SparkSession, tmp_path: Path) -> None:
    books = Books(tmp_path)
    told(books, crowd(Random(8), 1_000))  # noqa: S311  # no secret
    assert forget(books.lake, books.lake.read(RAW_ERASURES)) > 20
    trending, _ = held(spark, books, at_the_end(books, tmp_path / "cut"))
    assert (trending.mismatches, trending.compared[TRENDS] > 500) == (0, True), trending.first


def test_tracks_for_which_there_was_no_room_are_within_their_bounds(spark: SparkSession, tmp_path: Path) -> None:
    books = Books(tmp_path)
    events = full_hour(tracks := 3 * (MONITORED + 400))
    assert len(events) > 2 * TOLD_AGAIN
    again = events[:50]  # a live row would not know them any more
    for start in range(0, len(events), 100):
        books.log.append(PLAYS, events[start : start + 100])
    books.log.append(PLAYS, again)
    books.land()
    made = at_the_end(books, tmp_path / "cut")
    trending, _ = held(spark, books, made)
    assert (trending.mismatches, trending.compared[TRENDS]) == (0, tracks + 2), trending.first
    (hour,) = trends(books.log, made).values()
    assert hour.others > 0


def test_they_agree_where_the_beginning_of_the_log_was_trimmed(spark: SparkSession, tmp_path: Path) -> None:
    random = Random(9)  # noqa: S311  # no secret
    books = Books(tmp_path)
    told(books, crowd(random, 800))
    told_late(books, shown_and_played(random, 40))
    for topic in TOPICS:
        records = books.log.read(topic, 0)
        if records:
            books.log.trim(topic, records[len(records) // 2].appended_ms)
    made = at_the_end(books, tmp_path / "cut")
    assert {place.split("/")[0] for place in made.trimmed} >= {"playback.play.v1", "serving.impression.v1"}
    for tally in held(spark, books, made):
        assert (tally.mismatches, sum(tally.compared.values()) > 400) == (0, True), tally.first
