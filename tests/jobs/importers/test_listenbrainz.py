"""ListenBrainz exports, from listens written by hand."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from tests.jobs.importers.conftest import Importing

NOON = 1_704_110_400
MSID = "0c2b9a1e-1111-4222-8333-444455556666"
MBID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
OTHER_MBID = "aaaaaaaa-bbbb-4ccc-8ddd-ffffffffffff"


def listen(info: dict[str, Any] | None = None, mapping: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    told = {
        "track_name": "Loom",
        "artist_name": "Ada",
        "release_name": "Engines",
        "recording_msid": MSID,
        "additional_info": info or {},
        "mbid_mapping": mapping,
    }
    return {"listened_at": NOON, "inserted_at": NOON + 9.5, "track_metadata": told} | fields


def export(*listens: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("user.json", json.dumps({"user_id": 1, "username": "me"}))
        archive.writestr("listens/2024/1.jsonl", "".join(json.dumps(one) + "\n" for one in listens))
        archive.writestr("feedback.jsonl", json.dumps({"recording_msid": MSID, "score": 1, "created": NOON}) + "\n")
        archive.writestr("pinned_recording.jsonl", json.dumps({"recording_msid": MSID, "created": NOON}) + "\n")
    return buffer.getvalue()


def test_an_export_is_its_listens_and_its_other_files_are_passed_over(bring: Importing) -> None:
    info = {"duration_ms": 181_000, "isrc": "se-abc-24-00001", "recording_mbid": MBID.upper(), "media_player": "Pano"}
    summary = bring(bring.write("listenbrainz_me_1.zip", export(listen(info))), listener="me")
    assert (summary.added, summary.files[0].format) == (1, "listenbrainz")
    assert summary.files[0].file == "listenbrainz_me_1.zip/listens/2024/1.jsonl"
    assert [name.rpartition("/")[2] for name in summary.skipped] == [
        "feedback.jsonl",
        "pinned_recording.jsonl",
        "user.json",
    ]
    assert bring.plays("source_track_id", "started_ms", "track_ms", "played_ms", "device") == [
        (f"listenbrainz:{MSID}", NOON * 1_000, 181_000, None, "Pano")
    ]
    assert bring.tracks("title", "artist", "album", "isrc", "mbid", "track_ms") == [
        ("Loom", "Ada", "Engines", "SEABC2400001", MBID, 181_000)
    ]


def test_the_mapped_recording_stands_in_where_the_listen_names_none(bring: Importing) -> None:
    bring(bring.write("a.zip", export(listen({"recording_mbid": ""}, {"recording_mbid": OTHER_MBID}))), listener="me")
    assert bring.tracks("mbid") == [OTHER_MBID]


@pytest.mark.parametrize("mbid", ["", "not one", None, 7])
def test_an_empty_or_broken_musicbrainz_id_is_dropped_and_the_listen_stays(bring: Importing, mbid: Any) -> None:
    summary = bring(bring.write("a.zip", export(listen({"recording_mbid": mbid}))), listener="me")
    assert (summary.added, summary.quarantined) == (1, 0)
    assert bring.tracks("mbid") == [None]


def test_a_duration_in_seconds_is_read_where_there_is_none_in_milliseconds(bring: Importing) -> None:
    bring(bring.write("a.zip", export(listen({"duration": 181.5}))), listener="me")
    assert bring.plays("track_ms") == [181_500]


def test_the_older_export_is_one_array_of_listens(bring: Importing) -> None:
    summary = bring(bring.write("me_lb.json", json.dumps([listen()], indent=1)), listener="me")
    assert (summary.added, summary.files[0].format) == (1, "listenbrainz")


def test_lines_that_are_no_listens_are_quarantined_by_line(bring: Importing) -> None:
    lines = [
        json.dumps(listen()),
        "{broken",
        "",
        json.dumps(listen(listened_at=None)),
        json.dumps({"listened_at": NOON}),
    ]
    summary = bring(bring.write("1.jsonl", "\n".join(lines)), listener="me")
    assert (summary.rows, summary.added, summary.quarantined) == (4, 1, 3)
    assert bring.quarantine("line") == [2, 4, 5]
    assert bring.quarantine("reason")[1] == "listened_at is missing; wanted a number"


def test_overlapping_exports_add_nothing_twice(bring: Importing) -> None:
    first, second = listen(), listen(listened_at=NOON + 600)
    bring(bring.write("old.zip", export(first)), listener="me")
    summary = bring(bring.write("new.zip", export(first, second)), listener="me")
    assert (summary.rows, summary.added, summary.repeated) == (2, 1, 1)
    assert bring.plays("started_ms") == [NOON * 1_000, (NOON + 600) * 1_000]
