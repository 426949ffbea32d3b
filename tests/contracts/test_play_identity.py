"""A play without a play_id is one play, whether it was posted or imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jobs.importers.intake import Request, import_plays
from serving.service.telling import NewListen, Teller
from warehouse.events import Event, Play, Topic
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.tables import RAW_PLAYS

NOW_MS = 1_750_000_000_000
STARTED_MS = 1_704_110_400_000


class Remembering:
    """A stream that keeps what it accepts."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def accept(self, _topic: Topic, events: Sequence[Event]) -> None:
        self.events += events

    def check(self) -> None:
        """It is always there."""


def posted(listen: NewListen) -> Play:
    stream = Remembering()
    Teller(stream, clock=lambda: NOW_MS, new_id=lambda: "i").listens([listen])
    (play,) = stream.events
    assert isinstance(play, Play)
    return play


def test_a_play_posted_and_imported_has_one_play_id(tmp_path: Path) -> None:
    file = tmp_path / "plays.csv"
    file.write_text(f"listener_id,started_ms,source_track_id,source\nada,{STARTED_MS},spotify:7,spotify\n")
    home = Home(tmp_path / "home", str(tmp_path / "lake"))
    import_plays(Request([file]), home, now_ms=NOW_MS)
    listen = NewListen(listener_id="ada", track_id="spotify:7", started_ms=STARTED_MS, source="spotify")
    assert Lake(home.lake_url).read(RAW_PLAYS)["play_id"].to_pylist() == [posted(listen).play_id]
