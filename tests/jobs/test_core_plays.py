from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from jobs.core_plays import counted_plays, main
from jobs.core_tracks import main as make_core_tracks
from tests.jobs.tables import DAY, MIN, MONDAY, SEC, erasure, frame, job_run, raw_play, raw_track, rows_of
from warehouse.tables import CORE_PLAYS, CORE_TRACKS, RAW_ERASURES, RAW_PLAYS, RAW_TRACKS

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


def plays_of(
    spark: SparkSession,
    plays: Sequence[dict[str, Any]],
    tracks: Sequence[tuple[str, str]] = (),
    erasures: Sequence[dict[str, Any]] = (),
) -> list[Row]:
    named = [{"source_track_id": source, "track_id": track} for source, track in tracks]
    made = counted_plays(
        frame(spark, RAW_PLAYS, plays), frame(spark, CORE_TRACKS, named), frame(spark, RAW_ERASURES, erasures)
    )
    return made.orderBy("started_ms", "play_id").collect()


def kept(rows: Sequence[Row]) -> list[str]:
    return [row.play_id for row in rows]


def test_half_a_minute_counts_and_a_millisecond_less_does_not(spark: SparkSession) -> None:
    told = [
        raw_play("whole", MONDAY, played_ms=30 * SEC),
        raw_play("short", MONDAY + 5 * MIN, played_ms=30 * SEC - 1),
        raw_play("half of a short track", MONDAY + 9 * MIN, played_ms=10 * SEC, track_ms=20 * SEC),
    ]
    assert [(row.play_id, row.counts) for row in plays_of(spark, told)] == [
        ("whole", True),
        ("short", False),
        ("half of a short track", True),
    ]


def test_a_play_of_unknown_length_counts_where_its_source_tells_only_plays_that_count(spark: SparkSession) -> None:
    told = [
        raw_play("scrobbled", MONDAY, source="lastfm", played_ms=None),
        raw_play("started", MONDAY + DAY, source="backbeat", played_ms=None),
    ]
    assert [(row.play_id, row.counts, row.ended_ms - row.started_ms) for row in plays_of(spark, told)] == [
        ("scrobbled", True, 0),
        ("started", False, 0),
    ]


def test_a_skip_is_a_play_that_a_skip_ended_before_it_counted(spark: SparkSession) -> None:
    told = [
        raw_play("skipped", MONDAY, played_ms=5 * SEC, ended_by="skip"),
        raw_play("heard, then skipped", MONDAY + MIN * 9, played_ms=MIN, ended_by="skip"),
        raw_play("ended", MONDAY + MIN * 19, played_ms=5 * SEC, ended_by="end"),
    ]
    assert [row.skipped for row in plays_of(spark, told)] == [True, False, False]


def test_two_tellings_within_a_minute_are_one_play_and_the_most_precise_is_kept(spark: SparkSession) -> None:
    told = [
        raw_play("by the minute", MONDAY, source="spotify-account"),
        raw_play("by the second", MONDAY + 59_999, source="lastfm"),
        raw_play("another", MONDAY + 2 * MIN, source="lastfm"),
    ]
    assert kept(plays_of(spark, told)) == ["by the second", "another"]


def test_a_minute_apart_are_two_plays(spark: SparkSession) -> None:
    told = [raw_play("a", MONDAY), raw_play("b", MONDAY + MIN)]
    assert kept(plays_of(spark, told)) == ["a", "b"]


def test_duplicates_are_not_chained(spark: SparkSession) -> None:
    told = [raw_play(f"p{second:03}", MONDAY + second * SEC) for second in range(0, 200, 40)]
    assert kept(plays_of(spark, told)) == ["p000", "p080", "p160"]


def test_the_same_moment_on_another_track_or_by_another_listener_is_another_play(spark: SparkSession) -> None:
    told = [
        raw_play("a", MONDAY, track="t1"),
        raw_play("b", MONDAY, track="t2"),
        raw_play("c", MONDAY, listener="bob"),
    ]
    assert kept(plays_of(spark, told)) == ["a", "b", "c"]


def test_tellings_on_both_sides_of_midnight_are_one_play_kept_on_the_day_of_the_one_kept(spark: SparkSession) -> None:
    told = [
        raw_play("before", MONDAY - 20 * SEC, source="spotify-account"),
        raw_play("after", MONDAY + 10 * SEC, source="lastfm"),
    ]
    assert kept(plays_of(spark, told)) == ["after"]


def test_tellings_by_different_names_of_one_track_are_one_play(spark: SparkSession) -> None:
    told = [
        raw_play("a", MONDAY, track="lastfm:1", source="lastfm"),
        raw_play("b", MONDAY + SEC, track="spotify:2", source="spotify"),
    ]
    rows = plays_of(spark, told, tracks=[("lastfm:1", "isrc:X"), ("spotify:2", "isrc:X")])
    assert [(row.play_id, row.track_id) for row in rows] == [("b", "isrc:X")]


def test_a_track_without_a_telling_keeps_its_sources_name(spark: SparkSession) -> None:
    assert [row.track_id for row in plays_of(spark, [raw_play("a", MONDAY, track="30music:7")])] == ["30music:7"]


def test_a_play_taken_back_is_gone_and_so_is_all_that_an_erased_listener_had_told(spark: SparkSession) -> None:
    told = [
        raw_play("a", MONDAY),
        raw_play("b", MONDAY + 9 * MIN),
        raw_play("c", MONDAY, listener="bob"),
        raw_play("d", MONDAY + DAY, listener="bob"),
    ]
    erasures = [erasure("ada", "a"), erasure("bob", received_ms=MONDAY + MIN)]
    assert kept(plays_of(spark, told, erasures=erasures)) == ["b", "d"]


def test_days_may_be_made_in_any_order_and_twice(spark: SparkSession, tmp_path: Any) -> None:
    days = [
        [raw_play(f"{day}-{n}", MONDAY + day * DAY + n * 40 * SEC - 90 * SEC) for n in range(5)] for day in range(4)
    ]
    hashes = []
    for name, order in (("forward", (0, 1, 2, 3)), ("mixed", (2, 0, 3, 1)), ("at once", None)):
        run = job_run(tmp_path / name, spark)
        for day in order if order is not None else (0,):
            told = days[day] if order is not None else [row for some in days for row in some]
            run.lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, told))
            main(run)
        main(run)
        hashes.append(run.lake.content_hash(CORE_PLAYS))
    assert hashes[0] == hashes[1] == hashes[2]


def test_nothing_is_written_where_nothing_changed(spark: SparkSession, tmp_path: Any) -> None:
    run = job_run(tmp_path, spark)
    run.lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, [raw_play("a", MONDAY)]))
    main(run)
    version = run.lake.version(CORE_PLAYS)
    main(run)
    assert run.lake.version(CORE_PLAYS) == version


def test_a_late_play_reopens_its_day_and_the_two_beside_it(spark: SparkSession, tmp_path: Any) -> None:
    run = job_run(tmp_path, spark)
    month = [raw_play(f"p{day}", MONDAY + day * DAY) for day in range(10)]
    run.lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, month))
    main(run)
    before = run.lake.version(CORE_PLAYS)
    run.lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, [raw_play("late", MONDAY + 5 * DAY + MIN * 30)]))
    main(run)
    assert run.lake.changed_days(CORE_PLAYS, before) == {row["day"] for row in month[4:7]}
    assert run.lake.count(CORE_PLAYS) == 11


def test_a_track_that_gets_another_identity_reopens_the_days_of_its_plays(spark: SparkSession, tmp_path: Any) -> None:
    run = job_run(tmp_path, spark)
    plays = [raw_play("a", MONDAY, track="s:1"), raw_play("b", MONDAY + 9 * DAY, track="s:2")]
    run.lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, plays))
    run.lake.append(RAW_TRACKS, rows_of(RAW_TRACKS, [raw_track("s:1"), raw_track("s:2")]))
    make_core_tracks(run)
    main(run)
    before = run.lake.version(CORE_PLAYS)
    told = [raw_track("s:1"), raw_track("s:2", isrc="USRC17607839")]
    run.lake.replace(RAW_TRACKS, rows_of(RAW_TRACKS, told))
    make_core_tracks(run)
    main(run)
    assert run.lake.changed_days(CORE_PLAYS, before) == {plays[1]["day"]}
    assert set(run.lake.read(CORE_PLAYS)["track_id"].to_pylist()) == {"s:1", "isrc:USRC17607839"}


def test_an_erasure_reopens_the_days_of_what_it_takes_back(spark: SparkSession, tmp_path: Any) -> None:
    run = job_run(tmp_path, spark)
    plays = [raw_play("a", MONDAY), raw_play("b", MONDAY + 9 * DAY), raw_play("c", MONDAY + 20 * DAY, listener="bob")]
    run.lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, plays))
    main(run)
    run.lake.append(RAW_ERASURES, rows_of(RAW_ERASURES, [erasure("ada", "b")]))
    main(run)
    assert sorted(run.lake.read(CORE_PLAYS)["play_id"].to_pylist()) == ["a", "c"]
    version = run.lake.version(CORE_PLAYS)
    main(run)
    assert run.lake.version(CORE_PLAYS) == version
