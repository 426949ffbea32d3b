"""Tracks are found by their names on the command line, and what is recommended is told with ids, mixes too."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from backbeat.cli import main
from models.registry import Registry
from tests.jobs.tables import rows_of
from tests.serving.house import TRACKS, artifact, card
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.stores.sqlite_rows import SqliteRows
from warehouse.tables import CORE_CATALOG
from warehouse.taste import CATALOG

NAMES = [("t1", "Wave in Dorne", "Björk & Co"), ("t2", "Waves", "Other"), ("t3", None, "Dorne")]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    monkeypatch.delenv("BACKBEAT_LAKE", raising=False)
    return Home.from_environment({"BACKBEAT_HOME": str(tmp_path)})


@pytest.fixture
def catalog(home: Home) -> None:
    unknown = dict.fromkeys(("album", "isrc", "mbid", "track_ms"))
    rows = [{"track_id": name, "title": title, "artist": artist} | unknown for name, title, artist in NAMES]
    Lake(home.lake_url).append(CORE_CATALOG, rows_of(CORE_CATALOG, rows))


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    ("words", "found"),
    [(["wave"], ["t1", "t2"]), (["WAVE", "bjork"], ["t1"]), (["dorne"], ["t1", "t3"]), (["'; %"], [])],
)
def test_tracks_are_found_by_words_without_case_and_accents(
    capsys: pytest.CaptureFixture[str], words: list[str], found: list[str]
) -> None:
    main(["tracks", *words, "--json"])
    assert sorted(track["track_id"] for track in json.loads(capsys.readouterr().out)["tracks"]) == found


@pytest.mark.usefixtures("catalog")
def test_more_tracks_than_were_asked_for_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    main(["tracks", "wave", "-n", "1"])
    assert "the first 1 of 2 tracks" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_without_a_catalog_the_command_that_makes_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tracks", "wave"])
    assert "`backbeat run` makes it" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_before_the_first_run_the_command_that_makes_a_model_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for shelf in ("discover", "mixes"):
        main(["recommend", "ada", "--shelf", shelf])
        assert "`backbeat run` makes a model" in capsys.readouterr().err


def test_ids_and_mixes_are_told_where_they_are_asked_for(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    Registry(home.models).publish(artifact())
    rows = SqliteRows(home.rows)
    rows.put_many(CATALOG, {name: msgspec.msgpack.encode(card(name)) for name in TRACKS}, version=1)
    rows.close()
    main(["recommend", "ada", "--shelf", "popular", "--ids"])
    assert TRACKS[0] in capsys.readouterr().out
    main(["recommend", "ada", "--shelf", "mixes", "--json"])
    assert json.loads(capsys.readouterr().out)["mixes"] == []
