"""A seeded crowd that listens while things break: whatever it was told 202 for must be counted, and once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from warehouse.rules.quantity import DAY_MS, MINUTE_MS

LISTENERS, TRACKS = 200, 200
GIVE_UP_SECONDS = 120.0
Listen = dict[str, Any]


class CrowdFailed(Exception):
    """The API refused what is right, or was away for too long; says what it said."""


@dataclass
class Accepted:
    """Ids that the API has said yes to: of plays, by listener; of plays taken back."""

    plays: set[tuple[str, str]] = field(default_factory=set)
    taken_back: set[tuple[str, str]] = field(default_factory=set)
    posts: int = 0
    retries: int = 0


class Crowd:
    """Plays of `LISTENERS` people of its own, minutes apart, over days that go backwards where `backfills`.

    They are so many that none has more plays than a row names: beyond those a play told again counts until the next
    base, as docs/parity.md says, and that is not what is drilled.
    A play is now and then told again: under its id, by another service within a minute, or late. Some name an
    impression, and words of tracks are said between them, so that rows rest on several topics. `tellings` is how often
    each post is sent, whatever the answer: a producer that retries.
    """

    def __init__(self, url: str, seed: int, *, tellings: int = 1, backfills: bool = False) -> None:
        self._url = url
        self._random = Random(seed)  # noqa: S311  # a seeded crowd, not a secret
        self._tellings = tellings
        self._seed = seed
        self._now_ms = int(time.time() * 1_000)
        self._step_ms = -7 * MINUTE_MS if backfills else 3 * MINUTE_MS
        self._clocks = {who: self._now_ms - self._random.randrange(1, 20) * DAY_MS for who in range(LISTENERS)}
        self._told: list[Listen] = []
        self.accepted = Accepted()

    def play(self, stop: threading.Event) -> None:
        """Post one batch after another until told to stop. Raises `CrowdFailed`."""
        with httpx.Client(base_url=self._url, timeout=20) as client:
            number = 0
            while not stop.is_set():
                self._tell(client, self._batch(number))
                number += 1
                if number % 3 == 0:
                    self._say(client, f"{self._seed}-{number}")
                if number % 25 == 0:
                    self._take_back(client)

    def _batch(self, number: int) -> list[Listen]:
        size = self._random.choice((1, 1, 1, 5, 20, 50))
        return [listen for at in range(size) for listen in self._listens(f"{self._seed}-{number}-{at}")]

    def _listens(self, play_id: str) -> Iterator[Listen]:
        who = self._random.randrange(LISTENERS)
        started_ms = self._clocks[who]
        self._clocks[who] = min(started_ms + self._step_ms, self._now_ms - MINUTE_MS)
        if self._random.random() < 0.05:
            started_ms -= self._random.randrange(3) * DAY_MS  # late
        listen = self._listen(play_id, who, started_ms)
        yield listen
        chance = self._random.random()
        if chance < 0.03:
            yield listen | {"played_ms": 1_000}  # told again under its id: the first telling stands
        elif chance < 0.06:
            apart_ms = self._random.randrange(-20_000, 20_000)
            yield listen | {"play_id": f"{play_id}-lastfm", "source": "lastfm", "started_ms": started_ms + apart_ms}
        elif chance < 0.08 and self._told:
            yield self._random.choice(self._told)
        if len(self._told) < 500:
            self._told.append(listen)

    def _listen(self, play_id: str, who: int, started_ms: int) -> Listen:
        skipped = self._random.random() < 0.2
        return {
            "listener_id": f"listener-{self._seed}-{who}",
            "track_id": f"drill:{int(TRACKS * self._random.random() ** 2)}",
            "started_ms": started_ms,
            "play_id": play_id,
            "played_ms": self._random.randrange(2_000, 25_000) if skipped else 180_000,
            "track_ms": 200_000,
            "ended_by": "skip" if skipped else "end",
            "country": self._random.choice(("IE", "DE", "BR")),
            "impression_id": f"shown-{who}-{started_ms // DAY_MS}" if self._random.random() < 0.3 else None,
        }

    def _tell(self, client: httpx.Client, listens: Sequence[Listen]) -> None:
        for _ in range(self._tellings):
            self._until_accepted(lambda: client.post("/v1/listens", json={"listens": list(listens)}))
        self.accepted.plays.update((listen["listener_id"], listen["play_id"]) for listen in listens)
        self.accepted.posts += 1

    def _say(self, client: httpx.Client, signal_id: str) -> None:
        """A word on a track that was told of, or is told of later: never of another listener's."""
        said = {
            "listener_id": f"listener-{self._seed}-{self._random.randrange(LISTENERS)}",
            "track_id": f"drill:{self._random.randrange(TRACKS // 10)}",
            "kind": self._random.choice(("like", "unlike", "dislike")),
            "signal_id": signal_id,
        }
        for _ in range(self._tellings):
            self._until_accepted(lambda: client.post("/v1/signals", json=said))

    def _take_back(self, client: httpx.Client) -> None:
        listen = self._random.choice(self._told)
        listener_id, play_id = listen["listener_id"], listen["play_id"]
        self._until_accepted(lambda: client.delete(f"/v1/listeners/{listener_id}/plays/{play_id}"))
        self.accepted.taken_back.add((listener_id, play_id))

    def _until_accepted(self, ask: Any) -> None:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                answer = ask()
            except httpx.HTTPError as error:
                said = repr(error)  # it may have been accepted or not: it is told again, and counts once
            else:
                if answer.status_code == httpx.codes.ACCEPTED:
                    return
                said = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    raise CrowdFailed(f"the API refused a post: {said}")
            if time.monotonic() > deadline:
                raise CrowdFailed(f"no 202 in {GIVE_UP_SECONDS:g} s; last: {said}")
            self.accepted.retries += 1
            time.sleep(0.1)
