"""The demo's crowd: seeded, fond of what the world says, and believed by the real API."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from backbeat.crowd import Heard, Music, People, living, tour
from backbeat.players import Player, Playing, Refused, Stopped, Tally
from backbeat.shelf_screen import Lines
from backbeat.visit import Moment, Visit
from tests.e2e.test_serve import home, served
from tests.serving.house import EACH, GENRES, TRACKS

__all__ = ["home"]
MUSIC = Music(
    source_ids=TRACKS,
    length_ms=(180_000,) * len(TRACKS),
    vectors=np.repeat(np.eye(GENRES), EACH, axis=0),
    genre=tuple(place // EACH for place in range(len(TRACKS))),
    popularity=np.linspace(2.0, 1.0, len(TRACKS)),
    positions={name: place for place, name in enumerate(TRACKS)},
)
PEOPLE = People(tuple(f"fan-{n}" for n in range(GENRES)), np.eye(GENRES), ("SE", "BR", "US", "JP"))


class Shelf:
    """An API that offers everybody the same."""

    def shelf(self, listener: str, shelf: str, limit: int) -> Sequence[dict[str, Any]]:
        items = [{"track_id": name, "impression_id": f"{listener}:{shelf}", "slot": n} for n, name in enumerate(TRACKS)]
        return [{"track_id": "unknown:1", "impression_id": "x", "slot": 0}, *items][:limit]


def told(fan: int, count: int, seed: int = 1) -> list[Heard]:
    return list(itertools.islice(living(MUSIC, PEOPLE, fan, seed, Shelf()), count))


def test_the_same_seed_lives_the_same_life_and_another_one_another() -> None:
    assert told(0, 50) == told(0, 50)
    assert told(0, 50) != told(0, 50, seed=2)
    assert told(0, 50) != told(1, 50)


def test_what_is_liked_is_skipped_less() -> None:
    heard = [one for fan in range(GENRES) for one in told(fan, 600) if one.listen]
    skips = {True: [0, 0], False: [0, 0]}
    for one in heard:
        assert one.listen is not None
        genre = MUSIC.genre[MUSIC.positions[one.listen["track_id"]]]
        of_kind = skips[genre == int(one.listen["listener_id"].removeprefix("fan-"))]
        of_kind[0] += "ended_by" in one.listen
        of_kind[1] += 1
    liked, other = (skipped / all_of_them for skipped, all_of_them in (skips[True], skips[False]))
    assert liked < 0.1 < 0.2 < other


def test_a_play_from_a_shelf_names_what_was_shown_and_unknown_tracks_are_passed_over() -> None:
    listens = [one.listen for one in told(2, 300) if one.listen]
    shown = [listen for listen in listens if listen["context"].startswith("shelf:")]
    assert shown
    assert all(listen["impression_id"] == f"fan-2:{listen['context'].partition(':')[2]}" for listen in shown)
    assert all(TRACKS[listen["slot"]] == listen["track_id"] for listen in shown)
    assert {"impression_id" in listen for listen in listens if listen["context"] == "library"} == {False}


def test_a_tour_stays_with_a_genre_and_then_turns() -> None:
    genres = [MUSIC.genre[offer.position] for offer in itertools.islice(tour(MUSIC, 1, 3), 3 * GENRES)]
    assert [len(list(same)) for _, same in itertools.groupby(genres)] == [3] * GENRES
    assert set(genres) == set(range(GENRES))


@pytest.mark.servers
def test_the_api_believes_the_crowd_and_answers_a_visitor(home: Path) -> None:
    tally = Tally()
    moments: list[Moment] = []
    with served(home) as client:
        port = client.base_url.port
        assert port is not None
        lives = [partial(living, MUSIC, PEOPLE, fan, 1) for fan in range(GENRES)]
        playing = Playing(port, lives, tally, speed=20_000, threads=2)
        visit = Visit(Player(port, Tally()), tour(MUSIC, 1, 3), MUSIC, moments.append)
        playing.start()
        visit.start()
        deadline = time.monotonic() + 60
        while (len(moments) < 2 or tally.plays < 100) and time.monotonic() < deadline:
            time.sleep(0.05)
        visit.stop()
        playing.stop()
        counted = client.get("/metrics").text
    assert (playing.failure, visit.failure, tally.again) == (None, None, 0)
    assert tally.plays >= 100
    assert 0 < tally.skips < tally.plays
    assert moments[0].seen_after_ms is not None
    assert moments[0].title.startswith("Song")
    assert moments[0].items
    assert (
        f'backbeat_log_events_total{{outcome="appended",topic="playback.play.v1"}} {tally.plays + len(moments)}.0'
        in (counted)
    )


@pytest.mark.servers
def test_what_the_api_refuses_ends_the_crowd_with_its_words(home: Path) -> None:
    def wrong(_: Player) -> Iterator[Heard]:
        yield Heard(0.0, {"listener_id": "", "track_id": "t", "played_ms": 1})
        yield Heard(0.0)

    with served(home) as client:
        playing = Playing(client.base_url.port or 0, [wrong], Tally(), speed=1, threads=1)
        playing.start()
        deadline = time.monotonic() + 30
        while playing.failure is None and time.monotonic() < deadline:
            time.sleep(0.02)
        playing.stop()
    assert isinstance(playing.failure, Refused)
    assert "400" in str(playing.failure)


def test_an_api_that_is_away_is_asked_again_until_the_player_is_stopped() -> None:
    tally, stop = Tally(), threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(Stopped):
        Player(9, tally, stop).call("GET", "/v1/stream")  # nothing listens at the discard port
    assert tally.again >= 1
    assert "refused" in tally.last_fault.lower()


def test_off_a_terminal_a_moment_is_a_line() -> None:
    screen = Console(record=True, width=40)
    items: list[dict[str, Any]] = [
        {"track_id": "a", "title": "Song [1]", "artist": "B"},
        {"track_id": "b", "title": None, "artist": None},
    ]
    lines = Lines(screen)
    lines.crowd(Tally(plays=1_200, skips=3))
    lines.moment(Moment("visitor-1", "Tune", "Band", 31.4, items, frozenset({"a"})))
    assert screen.export_text().strip() == (
        'visitor-1 heard "Tune" by Band, in the answers after 31 ms; discover: +Song [1], b '
        "(1,200 plays, 3 skips, 0 opinions)"
    )
