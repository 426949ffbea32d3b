"""Sessions, tastes, transitions, charts, the matrix: input rows in, output rows out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.charts_daily import charts
from jobs.core_sessions import sessions
from jobs.core_tracks import catalog, identified
from jobs.features_matrix import matrix
from jobs.features_taste import taste
from jobs.features_transitions import transitions
from tests.jobs.tables import DAY, MIN, MONDAY, SEC, day_of, frame, raw_track
from warehouse.rules.decay import TASTE_ENTRIES, UNIT, decay_weights
from warehouse.tables import CORE_PLAYS, CORE_SESSIONS, CORE_TRACKS, FEATURES_TASTE, RAW_TRACKS

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


def played(track: str, started_ms: int, ended_ms: int, listener: str = "ada", **more: Any) -> dict[str, Any]:
    row = {
        "play_id": f"{listener} {track} {started_ms}",
        "listener_id": listener,
        "track_id": track,
        "started_ms": started_ms,
        "ended_ms": ended_ms,
        "played_ms": ended_ms - started_ms,
        "source": "backbeat",
        "counts": True,
        "skipped": False,
        "country": None,
        "impression_id": None,
        "day": day_of(started_ms),
    }
    return row | more


def sessions_of(spark: SparkSession, plays: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    rows = sessions(frame(spark, CORE_PLAYS, plays)).orderBy("listener_id", "started_ms").collect()
    return [(row.track_id, row.session_started_ms - MONDAY) for row in rows]


def test_half_an_hour_of_silence_opens_a_session(spark: SparkSession) -> None:
    plays = [
        played("t1", MONDAY, MONDAY + 3 * MIN),
        played("t2", MONDAY + 33 * MIN - 1, MONDAY + 36 * MIN),  # a millisecond short of half an hour after t1's end
        played("t3", MONDAY + 66 * MIN, MONDAY + 69 * MIN),
    ]
    assert sessions_of(spark, plays) == [("t1", 0), ("t2", 0), ("t3", 66 * MIN)]


def test_a_session_goes_on_over_midnight(spark: SparkSession) -> None:
    plays = [played("t1", MONDAY - 2 * MIN, MONDAY + MIN), played("t2", MONDAY + MIN, MONDAY + 4 * MIN)]
    assert sessions_of(spark, plays) == [("t1", -2 * MIN), ("t2", -2 * MIN)]


def test_a_skip_neither_opens_nor_joins_a_session(spark: SparkSession) -> None:
    plays = [
        played("t1", MONDAY, MONDAY + 3 * MIN),
        played("t2", MONDAY + 20 * MIN, MONDAY + 20 * MIN + 5 * SEC, counts=False, skipped=True),
        played("t3", MONDAY + 40 * MIN, MONDAY + 43 * MIN),
    ]
    assert sessions_of(spark, plays) == [("t1", 0), ("t3", 40 * MIN)]


def test_who_listens_around_the_clock_begins_a_session_a_day(spark: SparkSession) -> None:
    plays = [played("t", MONDAY + n * 20 * MIN, MONDAY + (n + 1) * 20 * MIN) for n in range(4 * 72)]
    named = {day_of(MONDAY + opened) for _, opened in sessions_of(spark, plays)}
    alone = sessions_of(spark, [play for play in plays if day_of(MONDAY + 2 * DAY) <= play["day"]])
    assert named == {day_of(MONDAY + day * DAY) for day in (0, 1, 2)}
    assert alone[-1] == sessions_of(spark, plays)[-1]  # the last day needs the day before it, and no more


def test_a_session_that_sounded_through_a_whole_day_without_a_play_has_a_new_name_after_it(spark: SparkSession) -> None:
    plays = [
        played("t1", MONDAY, MONDAY + 2 * DAY),
        played("t2", MONDAY + 2 * DAY + MIN, MONDAY + 2 * DAY + 2 * MIN),
        played("t3", MONDAY + 3 * DAY, MONDAY + 3 * DAY + MIN),
    ]
    plays[1]["ended_ms"] = MONDAY + 3 * DAY - MIN
    later = 2 * DAY + MIN
    assert sessions_of(spark, plays) == [("t1", 0), ("t2", later), ("t3", later)]


def test_of_two_sessions_of_an_evening_the_later_alone_goes_on_over_midnight(spark: SparkSession) -> None:
    plays = [
        played("t1", MONDAY - 90 * MIN, MONDAY - 80 * MIN),
        played("t2", MONDAY - 9 * MIN, MONDAY - MIN),
        played("t3", MONDAY + MIN, MONDAY + 2 * MIN),
        played("t4", MONDAY + 3 * MIN, MONDAY + 4 * MIN),
        played("t5", MONDAY + 90 * MIN, MONDAY + 91 * MIN),
    ]
    opened = [-90 * MIN, *[-9 * MIN] * 3, 90 * MIN]
    assert sessions_of(spark, plays) == [(f"t{n}", ms) for n, ms in enumerate(opened, 1)]


def test_what_followed_what_is_counted_within_sessions_on_the_day_of_the_later(spark: SparkSession) -> None:
    def heard(track: str, started_ms: int, session: int) -> dict[str, Any]:
        return {
            "listener_id": "ada",
            "session_started_ms": session,
            "play_id": str(started_ms),
            "track_id": track,
            "started_ms": started_ms,
            "ended_ms": started_ms,
            "day": day_of(started_ms),
        }

    rows = [
        heard("a", MONDAY - MIN, 1),
        heard("b", MONDAY, 1),
        heard("b", MONDAY + MIN, 1),
        heard("a", MONDAY + DAY, 2),
    ]
    found = transitions(frame(spark, CORE_SESSIONS, rows)).collect()
    assert sorted((r.from_track_id, r.to_track_id, r.times, r.day) for r in found) == [
        ("a", "b", 1, day_of(MONDAY)),
        ("b", "b", 1, day_of(MONDAY)),
    ]


def test_a_taste_counts_plays_and_skips_and_names_the_latest_counted_play(spark: SparkSession) -> None:
    plays = [
        played("t", MONDAY, MONDAY + MIN),
        played("t", MONDAY + 9 * MIN, MONDAY + 10 * MIN),
        played("t", MONDAY + 20 * MIN, MONDAY + 21 * MIN, counts=False, skipped=True),
        played("u", MONDAY, MONDAY + SEC, counts=False),
    ]
    (row,) = taste(frame(spark, CORE_PLAYS, plays)).collect()
    assert (row.track_id, row.plays, row.skips, row.last_started_ms) == ("t", 2, 1, MONDAY + 9 * MIN)
    assert row.last_play_id == plays[1]["play_id"]


def test_charts_rank_everywhere_and_by_country_with_ties_by_listeners_then_track(spark: SparkSession) -> None:
    plays = [
        played("b", MONDAY, MONDAY + MIN, "ada", country="DE"),
        played("b", MONDAY + 9 * MIN, MONDAY + 10 * MIN, "ada", country="DE"),
        played("c", MONDAY, MONDAY + MIN, "ada", country="FR"),
        played("c", MONDAY, MONDAY + MIN, "bob"),
        played("a", MONDAY, MONDAY + MIN, "bob", counts=False),
    ]
    rows = charts(frame(spark, CORE_PLAYS, plays)).orderBy("country", "rank").collect()
    assert [(r.country, r["rank"], r.track_id, r.plays, r.listeners) for r in rows] == [
        ("DE", 1, "b", 2, 1),
        ("FR", 1, "c", 1, 1),
        ("all", 1, "c", 2, 2),
        ("all", 2, "b", 2, 1),
    ]


def entry(track: str, days_ago: int, plays: int = 1, listener: str = "ada") -> dict[str, Any]:
    started_ms = MONDAY - days_ago * DAY
    return {
        "listener_id": listener,
        "track_id": track,
        "plays": plays,
        "skips": 0,
        "last_play_id": "p",
        "last_started_ms": started_ms,
        "day": day_of(started_ms),
    }


def test_the_matrix_weighs_plays_by_their_age_on_the_day_before_it(spark: SparkSession) -> None:
    rows = [entry("new", 0, 2), entry("old", 90, 3), entry("both", 0), entry("both", 10), entry("gone", 90 * 20 + 1)]
    as_of = day_of(MONDAY) + timedelta(days=1)
    found = {
        row.track_id: (row.weight, row.plays) for row in matrix(frame(spark, FEATURES_TASTE, rows), as_of).collect()
    }
    weights = decay_weights()
    assert found == {"new": (2 * UNIT, 2), "old": (3 * weights[90], 3), "both": (UNIT + weights[10], 2)}


def test_a_listener_is_known_by_the_newest_entries(spark: SparkSession) -> None:
    rows = [entry(f"t{n:05}", n // 10) for n in range(TASTE_ENTRIES + 5)]
    found = matrix(frame(spark, FEATURES_TASTE, rows), day_of(MONDAY) + timedelta(days=1)).collect()
    assert {row.track_id for row in found} == {f"t{n:05}" for n in range(TASTE_ENTRIES)}


def identities(spark: SparkSession, tracks: Sequence[dict[str, Any]]) -> dict[str, str]:
    return {row.source_track_id: row.track_id for row in identified(frame(spark, RAW_TRACKS, tracks)).collect()}


MBID = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"


def test_a_track_is_its_isrc_else_its_mbid_else_its_names_else_itself(spark: SparkSession) -> None:
    found = identities(
        spark,
        [
            raw_track("s:1", artist="A", title="One", isrc="us-rc1-76-07839", mbid=MBID),
            raw_track("s:2", artist="A", title="Two", mbid=MBID.upper()),
            raw_track("s:3", artist="A", title="Three", isrc="nonsense", mbid=""),
            raw_track("s:4", title="Four"),
        ],
    )
    assert found["s:1"] == "isrc:USRC17607839"
    assert found["s:2"] == f"mbid:{MBID}"
    assert found["s:3"].startswith("name:")
    assert found["s:4"] == "s:4"


def test_a_track_told_by_names_alone_is_its_namesake_that_has_an_id(spark: SparkSession) -> None:
    found = identities(
        spark,
        [
            raw_track("lastfm:1", artist="Beyonc\u00e9", title="Halo!"),
            raw_track("spotify:2", artist="BEYONCE", title="halo", isrc="USSM10804556"),
            raw_track("listenbrainz:3", artist="beyonce", title="Halo", mbid=MBID),
        ],
    )
    assert set(found.values()) == {"isrc:USSM10804556"}


def test_the_catalog_takes_each_field_from_the_fullest_telling_that_has_it(spark: SparkSession) -> None:
    tracks = [
        raw_track("a:1", title="Halo", artist="Beyonce", album="I Am"),
        raw_track("b:1", title="HALO", track_ms=261_000),
    ]
    ids = [{"source_track_id": told["source_track_id"], "track_id": "t"} for told in tracks]
    (row,) = catalog(frame(spark, RAW_TRACKS, tracks), frame(spark, CORE_TRACKS, ids)).collect()
    assert (row.title, row.artist, row.album, row.track_ms, row.isrc) == ("Halo", "Beyonce", "I Am", 261_000, None)
