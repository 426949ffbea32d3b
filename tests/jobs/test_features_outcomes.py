"""What became of what was shown: input rows in, output rows out; beside the stream; and which days are made again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs import core_plays, features_outcomes
from jobs.core_plays import counted_plays
from jobs.features_outcomes import outcomes
from jobs.run import JobRun
from tests.jobs.tables import DAY, HOUR, MIN, MONDAY, day_of, erasure, frame, job_run, raw_play, rows_of
from tests.streaming import answers
from tests.streaming.tastes import NOON
from warehouse.events import IMPRESSIONS, Erasure, Event, Impression, Play
from warehouse.outcomes import OutcomesRow, outcomes_at
from warehouse.stores.landing import LANDINGS
from warehouse.tables import CORE_TRACKS, FEATURES_OUTCOMES, RAW_ERASURES, RAW_IMPRESSIONS, RAW_PLAYS

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]
LATER = MONDAY + 30 * DAY
SKIP: dict[str, Any] = {"played_ms": 5_000, "ended_by": "skip"}
[_SHOWN_ROWS] = [landing.rows for landing in LANDINGS if landing.topic == IMPRESSIONS]


def answer(*track_ids: str, at: int = MONDAY, impression_id: str = "i", listener: str = "ada") -> list[dict[str, Any]]:
    """The rows of one impression."""
    return list(_SHOWN_ROWS(answers.shown(impression_id, *track_ids, at=at, listener_id=listener)))


def led_to(play_id: str, track: str, *, at: int = MONDAY + MIN, **more: Any) -> dict[str, Any]:
    return raw_play(play_id, at, track, **{"impression_id": "i", **more})


def made(
    spark: SparkSession,
    shown: Sequence[dict[str, Any]],
    told: Sequence[dict[str, Any]],
    *,
    erasures: Sequence[dict[str, Any]] = (),
    tracks: Sequence[tuple[str, str]] = (),
    now_ms: int = LATER,
) -> list[dict[str, Any]]:
    raw, gone = frame(spark, RAW_PLAYS, told), frame(spark, RAW_ERASURES, erasures)
    named = [{"source_track_id": source, "track_id": track} for source, track in tracks]
    ids = frame(spark, CORE_TRACKS, named)
    rows = outcomes(now_ms, frame(spark, RAW_IMPRESSIONS, shown), counted_plays(raw, ids, gone), raw, ids, gone)
    return [row.asDict() for row in rows.orderBy("listener_id", "impression_id", "slot").collect()]


def said(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(row["outcome"], row["play_id"]) for row in rows]


def test_each_slot_says_what_became_of_it(spark: SparkSession) -> None:
    shown = answer("a", "b", "c", "d")
    told = [led_to("p", "a"), led_to("q", "b", **SKIP), led_to("r", "c", played_ms=5_000)]
    rows = made(spark, shown, told)
    assert said(rows) == [("played", "p"), ("skipped", "q"), ("begun", "r"), ("ignored", None)]
    assert list(rows[0].values()) == [
        *("i", 0, "ada", "a", "discover", "als", "m1", None, None, None, MONDAY),
        *("played", "p", 3 * MIN, day_of(MONDAY)),
    ]
    assert list(rows[0]) == FEATURES_OUTCOMES.schema.names


def test_the_strongest_play_says_it_and_of_equal_ones_the_first(spark: SparkSession) -> None:
    told = [
        led_to("p", "a", **SKIP),
        led_to("q", "a", at=MONDAY + 9 * MIN),
        led_to("r", "a", at=MONDAY + 5 * MIN),
    ]
    assert said(made(spark, answer("a"), told)) == [("played", "r")]


def test_plays_of_other_answers_tracks_and_listeners_are_organic(spark: SparkSession) -> None:
    told = [
        led_to("p", "a", impression_id="j"),
        led_to("q", "another"),
        led_to("r", "a", listener="bob"),
        led_to("s", "a", impression_id=None),
    ]
    assert said(made(spark, answer("a"), told)) == [("ignored", None)]


def test_a_play_counts_within_a_day_of_what_was_shown(spark: SparkSession) -> None:
    early, too_early = MONDAY - 10 * MIN, MONDAY - 10 * MIN - 1
    told = [
        led_to("p", "a", at=early),
        led_to("q", "b", at=too_early),
        led_to("r", "c", at=MONDAY + DAY - 1),
        led_to("s", "d", at=MONDAY + DAY),
    ]
    found = said(made(spark, answer("a", "b", "c", "d"), told))
    assert found == [("played", "p"), ("ignored", None), ("played", "r"), ("ignored", None)]


def test_what_was_not_played_is_open_for_a_day(spark: SparkSession) -> None:
    assert said(made(spark, answer("a"), [], now_ms=MONDAY + DAY - 1)) == [("open", None)]
    assert said(made(spark, answer("a"), [], now_ms=MONDAY + DAY)) == [("ignored", None)]


def test_a_play_by_another_name_of_the_track_is_of_the_slot(spark: SparkSession) -> None:
    shown = answer("isrc:X", "lastfm:2")
    told = [led_to("p", "spotify:1"), led_to("q", "spotify:2")]
    tracks = [("spotify:1", "isrc:X"), ("spotify:2", "mbid:Y"), ("lastfm:2", "mbid:Y")]
    rows = made(spark, shown, told, tracks=tracks)
    assert [(row["play_id"], row["track_id"]) for row in rows] == [("p", "isrc:X"), ("q", "mbid:Y")]


def test_a_track_that_was_told_as_it_was_shown_is_of_the_slot_whatever_its_id_has_become(spark: SparkSession) -> None:
    rows = made(spark, answer("s:1", "name:1"), [led_to("p", "s:1")], tracks=[("s:1", "isrc:X")])
    assert [(row["play_id"], row["track_id"]) for row in rows] == [("p", "isrc:X"), (None, "name:1")]


def test_the_first_slot_that_showed_a_track_has_its_play(spark: SparkSession) -> None:
    assert said(made(spark, answer("a", "b", "a"), [led_to("p", "a")])) == [
        ("played", "p"),
        ("ignored", None),
        ("ignored", None),
    ]


def test_an_erasure_takes_back_a_play_or_all_that_was_shown(spark: SparkSession) -> None:
    shown = [*answer("a"), *answer("a", impression_id="k", listener="bob"), *answer("b", at=MONDAY + 2, listener="cyd")]
    gone = [erasure("ada", "p"), erasure("bob", received_ms=MONDAY), erasure("cyd", received_ms=MONDAY + 1)]
    rows = made(spark, shown, [led_to("p", "a")], erasures=gone)
    assert [(row["listener_id"], row["outcome"]) for row in rows] == [("ada", "ignored"), ("cyd", "ignored")]


def _raw(events: Sequence[Event]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """One listener's events as they land: impressions, plays, erasures, what is told again left out."""
    shown = {event.impression_id: event for event in events if isinstance(event, Impression)}
    gone = [event for event in events if isinstance(event, Erasure)]
    erased_ms = max((event.received_ms for event in gone if event.play_id is None), default=-1)
    told: dict[tuple[str, bool], Play] = {}
    for event in events:
        if isinstance(event, Play):
            told.setdefault((event.play_id, event.received_ms > erased_ms), event)
    by_topic = {landing.topic.event: landing.rows for landing in LANDINGS}
    return tuple(  # type: ignore[return-value]  # three of them
        [dict.fromkeys(names) | row for event in kept for row in by_topic[kind](event)]
        for kind, kept, names in (
            (Impression, shown.values(), RAW_IMPRESSIONS.schema.names),
            (Play, told.values(), RAW_PLAYS.schema.names),
            (Erasure, gone, RAW_ERASURES.schema.names),
        )
    )


def _as_streamed(row: OutcomesRow, now_ms: int, names: dict[str, str]) -> list[tuple[Any, ...]]:
    return [
        (found.impression_id, slot, outcome.outcome, outcome.play_id, outcome.played_ms)
        for found in outcomes_at(row, now_ms, names)
        for slot, outcome in enumerate(found.slots)
    ]


@pytest.mark.parametrize("days", [1, 2, 9])
def test_the_stream_finds_what_the_batch_finds(spark: SparkSession, days: int) -> None:
    random = Random(days)  # noqa: S311  # no secret
    names = {"source:4": "t3", "another": "t1"}
    now_ms = NOON + days * DAY
    streamed: list[tuple[Any, ...]] = []
    shown: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    for number in range(150):
        events = answers.history(f"listener {number}", random, random.randrange(1, 40))
        row = answers.row_of(answers.interleaved(events, random), f"listener {number}")
        streamed += _as_streamed(row, now_ms, names)
        for rows, landed in zip((shown, told, gone), _raw(events), strict=True):
            rows += landed
    random.shuffle(told)
    batch = made(spark, shown, told, erasures=gone, tracks=list(names.items()), now_ms=now_ms)
    found = [tuple(row[name] for name in ("impression_id", "slot", "outcome", "play_id", "played_ms")) for row in batch]
    assert len(found) > 1_000
    assert sorted(found) == sorted(streamed)


@pytest.fixture
def run(tmp_path: Path, spark: SparkSession) -> JobRun:
    return job_run(tmp_path, spark)


def land(run: JobRun, shown: Sequence[dict[str, Any]] = (), told: Sequence[dict[str, Any]] = ()) -> None:
    for table, rows in ((RAW_IMPRESSIONS, shown), (RAW_PLAYS, told)):
        if rows:
            run.lake.append(table, rows_of(table, rows))


def make(run: JobRun) -> None:
    core_plays.main(run)
    features_outcomes.main(run)


def told_of(run: JobRun) -> dict[str, str]:
    rows: pa.Table = run.lake.read(FEATURES_OUTCOMES)
    return dict(zip(rows["impression_id"].to_pylist(), rows["outcome"].to_pylist(), strict=True))


def test_a_late_play_reopens_the_days_of_what_it_may_have_come_of(run: JobRun) -> None:
    land(run, [row for day in range(5) for row in answer("a", at=MONDAY + day * DAY, impression_id=f"i{day}")])
    land(run, told=[raw_play("p", MONDAY + 9 * DAY)])
    make(run)
    before = run.lake.version(FEATURES_OUTCOMES)
    land(run, told=[led_to("late", "a", at=MONDAY + 3 * DAY + HOUR, impression_id="i2")])
    make(run)
    assert told_of(run) == {f"i{day}": "ignored" for day in range(5)}
    land(run, told=[led_to("late too", "a", at=MONDAY + 3 * DAY - HOUR, impression_id="i2")])
    make(run)
    assert told_of(run) == {f"i{day}": "ignored" for day in range(5)} | {"i2": "played"}
    assert run.lake.changed_days(FEATURES_OUTCOMES, before) == {day_of(MONDAY + day * DAY) for day in (1, 2, 3, 4)}


def test_open_slots_are_settled_by_what_is_shown_or_played_a_day_later(run: JobRun) -> None:
    land(run, [*answer("a"), *answer("a", at=MONDAY + 12 * HOUR, impression_id="j")])
    make(run)
    assert told_of(run) == {"i": "open", "j": "open"}
    land(run, told=[raw_play("p", MONDAY + DAY + 12 * HOUR - 1, listener="bob")])
    make(run)
    assert told_of(run) == {"i": "ignored", "j": "open"}
    land(run, answer("a", at=MONDAY + 9 * DAY, impression_id="k"))
    make(run)
    assert told_of(run) == {"i": "ignored", "j": "ignored", "k": "open"}
    version = run.lake.version(FEATURES_OUTCOMES)
    make(run)
    assert run.lake.version(FEATURES_OUTCOMES) == version


def test_days_may_be_made_in_any_order_and_twice(run: JobRun, tmp_path: Path, spark: SparkSession) -> None:
    days = [
        (
            answer("a", "b", at=midnight - HOUR, impression_id=name),
            [led_to(name, "ab"[day % 2], at=midnight + HOUR, impression_id=name)],
        )
        for day, midnight, name in ((day, MONDAY + day * DAY, f"i{day}") for day in range(3))
    ]
    at_once = job_run(tmp_path / "at once", spark)
    for day in (2, 0, 1):
        land(run, *days[day])
        make(run)
        land(at_once, *days[day])
    make(run)
    make(at_once)
    assert run.lake.content_hash(FEATURES_OUTCOMES) == at_once.lake.content_hash(FEATURES_OUTCOMES)


def test_an_erased_listener_leaves_with_the_next_run(run: JobRun) -> None:
    land(run, [*answer("a"), *answer("a", at=MONDAY + 5 * DAY, impression_id="j", listener="bob")])
    make(run)
    run.lake.append(RAW_ERASURES, rows_of(RAW_ERASURES, [erasure("ada", received_ms=MONDAY + HOUR)]))
    make(run)
    assert told_of(run) == {"j": "open"}


def test_where_nothing_was_ever_shown_the_table_is_there_and_empty(run: JobRun) -> None:
    land(run, told=[raw_play("p", MONDAY)])
    make(run)
    make(run)
    assert (run.lake.count(FEATURES_OUTCOMES), run.lake.version(FEATURES_OUTCOMES)) == (0, 0)
    land(run, answer("a"))
    make(run)
    assert told_of(run) == {"i": "open"}


def test_what_was_shown_before_anything_was_played_is_open(run: JobRun) -> None:
    land(run, answer("a"))
    make(run)
    assert told_of(run) == {"i": "open"}
