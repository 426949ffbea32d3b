"""One listener's visit: somebody new plays one track after the other, and is shown a shelf after each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from backbeat.crowd import Music, Offer
from backbeat.players import Player, Refused, Stopped

SHELF, SHOWN = "discover", 8
TRACK_SECONDS = 3.0  # between two plays, whatever the length of the tracks
LOOK_SECONDS = 0.002
LOST_SECONDS = 30.0  # after which a play that no answer shows is not waited for


class Moment(NamedTuple):
    """What was heard, how long after the 202 an answer knew of it (None: not in time), and the shelf then."""

    listener: str
    title: str
    artist: str
    seen_after_ms: float | None
    items: Sequence[dict[str, Any]]
    new: frozenset[str]  # tracks that were not there before


class Visit:
    """Goes on in a thread of its own until it is stopped; `tell` is called with each moment."""

    def __init__(self, player: Player, offers: Iterator[Offer], music: Music, tell: Callable[[Moment], object]) -> None:
        self.failure: Refused | None = None
        self.seen_after_ms: list[float] = []
        self._player = player
        self._offers = offers
        self._music = music
        self._tell = tell
        self._listener = f"visitor-{time.time_ns() // 1_000_000_000}"
        self._before: frozenset[str] = frozenset()
        self._thread = threading.Thread(target=self._run, name="visit")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; return when no call is under way."""
        self._player.stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._player.close()

    def _run(self) -> None:
        try:
            self._before = _ids(self._player.shelf(self._listener, SHELF, SHOWN))
            for offer in self._offers:
                if self._player.stop.wait(TRACK_SECONDS):
                    return
                self._tell(self._after(offer))
        except Stopped:
            return
        except Refused as error:
            self.failure = error

    def _after(self, offer: Offer) -> Moment:
        length_ms = self._music.length_ms[offer.position]
        told = {"listener_id": self._listener, "track_id": offer.track_id, "played_ms": length_ms}
        play_id = self._player.listen({**told, "track_ms": length_ms, "context": "visit"})
        play, seen_after_ms = self._awaited(play_id)
        if seen_after_ms is not None:
            self.seen_after_ms.append(seen_after_ms)
        items = self._player.shelf(self._listener, SHELF, SHOWN)
        new, self._before = _ids(items) - self._before, _ids(items)
        title, artist = play.get("title") or offer.track_id, play.get("artist") or "somebody"
        return Moment(self._listener, title, artist, seen_after_ms, items, new)

    def _awaited(self, play_id: str) -> tuple[dict[str, Any], float | None]:
        """The play as an answer tells it, and how long after now it first did. Raises `Stopped`."""
        # A play is told as longer than it took, so those told last are not those that began last.
        path = f"/v1/listeners/{quote(self._listener, safe='')}/plays?limit=200"
        began = time.monotonic()
        while (waited := time.monotonic() - began) < LOST_SECONDS:
            for play in self._player.call("GET", path)["plays"]:
                if play["play_id"] == play_id:
                    return play, 1_000 * (time.monotonic() - began)
            if self._player.stop.wait(LOOK_SECONDS if waited < 1 else 0.1):
                raise Stopped
        return {}, None


def _ids(items: Sequence[dict[str, Any]]) -> frozenset[str]:
    return frozenset(item["track_id"] for item in items)
