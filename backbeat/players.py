"""Plays a crowd against the API in real time: threads that wait until somebody's track is over, and tell it."""

from __future__ import annotations

import heapq
import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from backbeat.crowd import Heard

TIMEOUT_SECONDS = 10.0
AGAIN_SECONDS = 0.5  # after a call that failed; it says the same again, and counts once
Life = Callable[["Player"], Iterator[Heard]]


class Stopped(Exception):
    """A player was told to stop while it waited."""


class Refused(Exception):
    """The API takes what was said for wrong, and would again."""


@dataclass
class Tally:
    """What all players have done so far."""

    plays: int = 0
    skips: int = 0
    opinions: int = 0
    again: int = 0
    last_fault: str = ""
    turn: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **counts: int) -> None:
        """Add to the counts of these names."""
        with self.turn:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)


class Player:
    """One connection to the API, for one thread. A call that fails is made again until it succeeds or `stop` is set."""

    def __init__(self, port: int, tally: Tally, stop: threading.Event | None = None) -> None:
        self.stop = stop or threading.Event()
        self._port = port
        self._tally = tally
        self._connection = self._connect()

    def shelf(self, listener: str, shelf: str, limit: int) -> Sequence[dict[str, Any]]:
        """What the API would have the listener play. Raises `Stopped` and `Refused`."""
        path = f"/v1/listeners/{quote(listener, safe='')}/recommendations?shelf={shelf}&limit={limit}"
        items: list[dict[str, Any]] = self.call("GET", path)["items"]
        return items

    def listen(self, listen: dict[str, Any]) -> str:
        """Tell a play that is over now; its id. Raises `Stopped` and `Refused`."""
        told = {"started_ms": time.time_ns() // 1_000_000 - listen["played_ms"], **listen}
        answer = self.call("POST", "/v1/listens", {"listens": [told]})
        self._tally.add(plays=1, skips="ended_by" in listen)
        return str(answer["play_ids"][0])

    def opinion(self, listener: str, track_id: str, kind: str) -> None:
        """Say something of a track. Raises `Stopped` and `Refused`."""
        told = {"listener_id": listener, "track_id": track_id, "kind": kind}
        self.call("POST", "/v1/signals", {**told, "signal_id": f"{kind}-{time.time_ns()}"})
        self._tally.add(opinions=1)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON that the API answers with. Raises `Stopped` and `Refused`."""
        while True:
            try:
                return self._called(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self._tally.add(again=1)
                self._tally.last_fault = f"{type(error).__name__}: {error}"
                self._connection.close()
                if self.stop.wait(AGAIN_SECONDS):
                    raise Stopped from error
                self._connection = self._connect()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _called(self, method: str, path: str, body: Any) -> Any:
        headers = {} if body is None else {"Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        told = answer.read()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            fault = f"{method} {path}: {answer.status} {told.decode(errors='replace')}"
            is_ours = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            raise http.client.HTTPException(fault) if is_ours else Refused(fault)
        return json.loads(told)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)


class Playing:
    """Some lives, each lived by one of a few threads, at `speed` times our clock. `failure` is what ended a thread."""

    def __init__(self, port: int, lives: Sequence[Life], tally: Tally, *, speed: float, threads: int) -> None:
        self.tally = tally
        self.failure: Refused | None = None
        self._stop = threading.Event()
        self._speed = speed
        players = [Player(port, tally, self._stop) for _ in range(threads)]
        self._threads = [
            threading.Thread(target=self._live, args=(lives[place::threads], player), name=f"crowd-{place}")
            for place, player in enumerate(players)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and return when no call is under way."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _live(self, lives: Sequence[Life], player: Player) -> None:
        try:
            self._in_turn([life(player) for life in lives], player)
        except Stopped:
            return
        except Refused as error:
            self.failure = error
        finally:
            player.close()

    def _in_turn(self, lives: Sequence[Iterator[Heard]], player: Player) -> None:
        order = itertools.count()  # of two who are due at once
        due = [(time.monotonic(), next(order), life, Heard(0.0)) for life in lives]
        while due:
            at, _, life, over = heapq.heappop(due)
            if self._stop.wait(max(0.0, at - time.monotonic())):
                return
            _tell(player, over)
            following = next(life)
            over_at = time.monotonic() + following.wait_seconds / self._speed
            heapq.heappush(due, (over_at, next(order), life, following))


def _tell(player: Player, over: Heard) -> None:
    if over.listen is None:
        return
    player.listen(over.listen)
    if over.opinion is not None:
        player.opinion(over.listen["listener_id"], over.listen["track_id"], over.opinion)
