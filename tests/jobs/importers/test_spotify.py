"""Spotify's two exports, from records written by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.importers.told import ImportRefused
from tests.jobs.importers.conftest import Importing

MINUTE_MS = 60_000
NOON_MS = 1_704_110_400_000  # 2024-01-01T12:00:00Z


def account(**fields: Any) -> dict[str, Any]:
    return {"endTime": "2024-01-01 12:00", "artistName": "Ada", "trackName": "Loom", "msPlayed": 60_000} | fields


def extended(**fields: Any) -> dict[str, Any]:
    return {
        "ts": "2024-01-01T12:00:00Z",
        "platform": "ios",
        "ms_played": 60_000,
        "conn_country": "SE",
        "master_metadata_track_name": "Loom",
        "master_metadata_album_artist_name": "Ada",
        "master_metadata_album_album_name": "Engines",
        "spotify_track_uri": "spotify:track:1AbC",
        "episode_name": None,
        "episode_show_name": None,
        "spotify_episode_uri": None,
        "reason_start": "trackdone",
        "reason_end": "trackdone",
        "shuffle": False,
        "skipped": False,
    } | fields


def test_an_account_play_starts_its_length_before_the_end_that_is_told(bring: Importing) -> None:
    file = bring.write("StreamingHistory_music_0.json", json.dumps([account()]))
    summary = bring(file, listener="me")
    assert (summary.added, summary.files[0].format) == (1, "spotify-account")
    assert bring.plays("listener_id", "started_ms", "played_ms", "source") == [
        ("me", NOON_MS - MINUTE_MS, MINUTE_MS, "spotify-account")
    ]
    assert bring.tracks("title", "artist") == [("Loom", "Ada")]


def test_an_account_track_is_named_by_the_hash_of_its_folded_names(bring: Importing) -> None:
    records = [account(), account(artistName="ADA", trackName="loom!", endTime="2024-01-02 12:00")]
    bring(bring.write("StreamingHistory_music_0.json", json.dumps(records)), listener="me")
    (one, other) = bring.plays("source_track_id")
    assert one == other
    assert one.startswith("spotify-account:")


def test_podcasts_and_tracks_without_a_name_are_ignored_with_a_reason(bring: Importing) -> None:
    records = [
        account(),
        {"endTime": "2024-01-01 12:00", "podcastName": "P", "episodeName": "E", "msPlayed": 1},
        account(artistName="Unknown Artist", trackName="Unknown Track"),
    ]
    summary = bring(bring.write("StreamingHistory_music_0.json", json.dumps(records)), listener="me")
    assert (summary.rows, summary.added, summary.ignored, summary.quarantined) == (3, 1, 2, 0)
    assert summary.reasons == {"a podcast": 1, "no track is named": 1}


def test_an_extended_play_carries_track_album_country_device_and_how_it_ended(bring: Importing) -> None:
    file = bring.write("Streaming_History_Audio_2024_0.json", json.dumps([extended()]))
    summary = bring(file, listener="me")
    assert summary.files[0].format == "spotify"
    assert bring.plays("source_track_id", "started_ms", "played_ms", "ended_by", "device", "country") == [
        ("spotify:1AbC", NOON_MS - MINUTE_MS, MINUTE_MS, "end", "ios", "SE")
    ]
    assert bring.tracks("source_track_id", "title", "artist", "album") == [("spotify:1AbC", "Loom", "Ada", "Engines")]


@pytest.mark.parametrize(
    ("fields", "ended_by"),
    [
        ({"skipped": True, "reason_end": "endplay"}, "skip"),
        ({"skipped": None, "reason_end": "fwdbtn"}, "skip"),
        ({"reason_end": "backbtn"}, "skip"),
        ({"reason_end": "trackdone"}, "end"),
        ({"reason_end": "logout"}, "logout"),
        ({"reason_end": None}, None),
    ],
)
def test_a_play_left_by_hand_is_a_skip(bring: Importing, fields: Any, ended_by: Any) -> None:
    bring(bring.write("Streaming_History_Audio_0.json", json.dumps([extended(**fields)])), listener="me")
    assert bring.plays("ended_by") == [ended_by]


def test_podcasts_audiobooks_and_null_tracks_of_the_extended_history_are_ignored(bring: Importing) -> None:
    none = {"master_metadata_track_name": None, "spotify_track_uri": None}
    records = [
        extended(),
        extended(**none, spotify_episode_uri="spotify:episode:1"),
        extended(**none, audiobook_uri="spotify:show:1"),
        extended(**none),
    ]
    summary = bring(bring.write("Streaming_History_Audio_0.json", json.dumps(records)), listener="me")
    assert (summary.added, summary.ignored, summary.quarantined) == (1, 3, 0)
    assert summary.reasons == {"a podcast": 1, "an audiobook": 1, "no track is named": 1}


def test_a_local_file_is_known_by_its_names(bring: Importing) -> None:
    record = extended(spotify_track_uri="spotify:local:Ada:Engines:Loom:60")
    bring(bring.write("Streaming_History_Audio_0.json", json.dumps([record])), listener="me")
    (track,) = bring.plays("source_track_id")
    assert track.startswith("spotify:")
    assert "local" not in track


def test_a_country_that_spotify_does_not_know_is_unknown(bring: Importing) -> None:
    bring(bring.write("Streaming_History_Audio_0.json", json.dumps([extended(conn_country="ZZ")])), listener="me")
    assert bring.plays("country") == [None]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ts": "yesterday"}, "ts is 'yesterday'; wanted a date and time"),
        ({"ts": None}, "ts is missing; wanted a date and time"),
        ({"ms_played": "1"}, "ms_played is '1'; wanted a number"),
        ({"ms_played": 10**30}, f"ms_played is {10**30}; wanted a number"),
        ({"ms_played": -1}, "played_ms is -1; wanted 0 to 86400000 ms (a day)"),
        ({"ts": "1970-01-01T00:00:00Z"}, "started_ms is -60000; wanted 946684800000 (2000-01-01) or later"),
        ({"ts": "2031-01-01T00:00:00Z"}, "started_ms is 1924991940000; wanted a time that is not in the future"),
        ({"master_metadata_track_name": 7}, "master_metadata_track_name is 7; wanted text"),
    ],
)
def test_a_bad_record_is_quarantined_with_its_place_and_the_reason(bring: Importing, fields: Any, reason: Any) -> None:
    file = bring.write("Streaming_History_Audio_0.json", json.dumps([extended(), extended(**fields)]))
    summary = bring(file, listener="me")
    assert (summary.added, summary.quarantined) == (1, 1)
    assert bring.quarantine("file", "line", "reason") == [("Streaming_History_Audio_0.json", 2, reason)]


def test_what_is_quarantined_keeps_its_first_thousand_characters(bring: Importing) -> None:
    file = bring.write("Streaming_History_Audio_0.json", json.dumps([extended(ts="x" * 5_000)]))
    bring(file, listener="me")
    (content,) = bring.quarantine("content")
    assert len(content) == 1_000
    assert content.startswith('{"ts": "xxx')


def test_an_element_that_is_no_record_is_quarantined(bring: Importing) -> None:
    text = f'[{json.dumps(extended())}, 7, ["x"]]'
    summary = bring(bring.write("Streaming_History_Audio_0.json", text), listener="me")
    assert (summary.added, summary.quarantined) == (1, 2)
    assert bring.quarantine("line", "reason") == [
        (2, "found int; wanted an object"),
        (3, "found list; wanted an object"),
    ]


@pytest.mark.parametrize("broken", ["", "]]", ",{]"], ids=["cut", "twice", "torn"])
def test_a_broken_array_is_refused_whole(bring: Importing, broken: Any) -> None:
    file = bring.write("Streaming_History_Audio_0.json", f"[{json.dumps(extended())}{broken}")
    with pytest.raises(ImportRefused, match=r"found (broken JSON .*|a file that was cut off); wanted one whole array"):
        bring(file, listener="me")
    assert bring.versions() == [None, None, None]


def test_both_exports_of_one_folder_are_brought_in_and_what_else_lies_there_is_passed_over(bring: Importing) -> None:
    bring.write("my/StreamingHistory_music_0.json", json.dumps([account()]))
    bring.write("my/Streaming_History_Audio_0.json", json.dumps([extended()]))
    bring.write("my/Userdata.json", '{"username": "me"}')
    summary = bring(bring.folder / "my", listener="me")
    assert summary.added == 2
    assert summary.skipped == ("my/Userdata.json",)


def test_an_export_without_a_listener_is_refused(bring: Importing) -> None:
    file = bring.write("StreamingHistory_music_0.json", json.dumps([account()]))
    with pytest.raises(ImportRefused, match="does not say who listened; wanted --listener ID"):
        bring(file)


def test_an_empty_export_is_an_import_of_nothing(bring: Importing) -> None:
    summary = bring(bring.write("StreamingHistory_music_0.json", "[]"), listener="me")
    assert (summary.rows, summary.days) == (0, None)
