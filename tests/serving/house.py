"""A small house to ask questions of: the real API, stream, log and rows, and a model whose answers are known.

Forty tracks of four genres: each genre is a direction of the factors, and each track leads to the next of its genre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import msgspec
import numpy as np
from litestar.testing import TestClient
from scipy.sparse import csr_array

from models.als import AlsConfig, AlsModel
from models.artifact import Artifact
from models.base import Catalog, TrackId
from models.experiments.assignment import Experiment
from models.popularity import Popularity
from models.registry import Registry
from models.repeat import Repeat
from models.transitions import Transitions, TransitionsConfig
from serving.app import Api, ApiConfig, Stores, create_app
from serving.service.ports import Chart, Place
from streaming.embedded import EmbeddedStream
from warehouse.events import IMPRESSIONS, PLAYS, Event, Impression, Topic
from warehouse.rules.quantity import DAY_MS, MINUTE_MS
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.stores.sqlite_rows import SqliteRows
from warehouse.tables import EVERYWHERE
from warehouse.taste import CATALOG, TrackCard

AS_OF = date(2026, 5, 4)
NOW_MS = (AS_OF - date(1970, 1, 1)).days * DAY_MS + 12 * 60 * MINUTE_MS
GENRES, EACH, FACTORS = 4, 10, 6
TRACKS = tuple(f"t:{genre}/{place}" for genre in range(GENRES) for place in range(EACH))
SECRET = "a secret of thirty-two bytes or more"


def track(genre: int, place: int) -> str:
    return f"t:{genre}/{place}"


def card(name: str) -> TrackCard:
    genre, place = name.removeprefix("t:").split("/")
    return TrackCard(name, f"Song {place}", f"Band {genre}", "Album", track_ms=180_000)


def artifact(*, seed: int = 0, as_of: date = AS_OF) -> Artifact:
    tracks = len(TRACKS)
    random = np.random.default_rng(seed)
    vectors = 0.05 * random.standard_normal((tracks, FACTORS))
    vectors[np.arange(tracks), np.arange(tracks) // EACH] += 1.0
    shares = np.linspace(2.0, 1.0, tracks)
    popularity = Popularity(shares / shares.sum())
    leads = [at for at in range(tracks) if at % EACH < EACH - 1]
    times = csr_array((np.full(len(leads), 3.0), (leads, [at + 1 for at in leads])), (tracks, tracks))
    return Artifact(
        as_of=as_of,
        split_day=None,
        catalog=Catalog(tuple(TrackId(name) for name in TRACKS)),
        als=AlsModel.from_vectors(vectors, AlsConfig(factors=FACTORS)),
        popularity=popularity,
        repeat=Repeat(tracks),
        transitions=Transitions(TransitionsConfig(), times, popularity),
    )


@dataclass
class FixedCharts:
    """Charts that a test has written down."""

    charts: dict[tuple[date, str], Chart] = field(default_factory=dict)

    def add(self, day: date, *tracks: str, country: str = EVERYWHERE) -> None:
        places = tuple(Place(rank, name, 100 - rank, 10) for rank, name in enumerate(tracks, 1))
        self.charts[day, country] = Chart(day, places)

    def chart(self, day: date | None, country: str) -> Chart | None:
        days = sorted(found for found, where in self.charts if where == country)
        return self.charts.get((day or (days[-1] if days else date.min), country))


@dataclass
class Letters:
    """As many dead letters as a test says."""

    count: int = 0

    def waiting(self) -> int:
        return self.count


class _FaultyStream:
    """The house's stream, unless a test lets it fail."""

    def __init__(self, house: House) -> None:
        self._house = house

    def accept(self, topic: Topic, events: Sequence[Event]) -> object:
        if self._house.stream_fault is not None and events:  # the log does not touch its file for nothing
            raise self._house.stream_fault
        return self._house.stream.accept(topic, events)

    @property
    def folds(self) -> bool:
        return self._house.stream.folds

    def check(self) -> None:
        if self._house.stream_fault is not None:
            raise self._house.stream_fault
        self._house.stream.check()

    def ends(self) -> Mapping[str, int]:
        if self._house.stream_fault is not None:
            raise self._house.stream_fault
        return self._house.stream.ends()


class _FaultyRows:
    """The house's rows, unless a test lets them fail."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __getattr__(self, name: str) -> Any:
        if self._house.rows_fault is not None:
            raise self._house.rows_fault
        return getattr(self._house.rows, name)


class House:
    """The API in a folder, its clock set by hand. `client` speaks HTTP to it while the `with` lasts."""

    def __init__(self, root: Path, *, secret: str = "", experiment: Experiment | None = None) -> None:
        self.now_ms = NOW_MS
        self.rows = SqliteRows(root / "rows.db")
        self.log = SqliteLog(root / "log.db", clock=lambda: self.now_ms)
        self.stream = EmbeddedStream(self.log, self.rows)
        self.registry = Registry(root / "models")
        self.charts = FixedCharts()
        self.letters = Letters()
        self.stream_fault: Exception | None = None
        self.rows_fault: Exception | None = None
        stores = Stores(_FaultyRows(self), _FaultyStream(self), self.registry, self.charts, self.letters)
        config = ApiConfig(secret=secret, reload_seconds=3_600, experiment=experiment)
        self.api: Api = create_app(stores, clock=lambda: self.now_ms, config=config)
        self.client = TestClient(app=self.api, base_url="http://127.0.0.1:8000")
        cards = {
            name: TrackCard(name, f"Song {name.split('/')[1]}", f"Band {name[2]}", "Album", track_ms=180_000)
            for name in TRACKS
        }
        self.rows.put_many(CATALOG, {name: msgspec.msgpack.encode(card) for name, card in cards.items()}, version=1)

    def __enter__(self) -> Self:
        self.client.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.__exit__(None, None, None)
        self.stream.close()
        self.log.close()
        self.rows.close()

    def publish(self, made: Artifact | None = None) -> str:
        version = self.registry.publish(made or artifact())
        self.api.services.reload()
        return version

    def listen(self, listener: str, *tracks: str, days_ago: int = 0, **more: Any) -> list[str]:
        """Tell whole plays, two hours apart a call, four minutes apart within it; their ids."""
        began = self.now_ms - days_ago * DAY_MS - 4 * MINUTE_MS * (len(tracks) + 1)
        listens = [
            {
                "listener_id": listener,
                "track_id": name,
                "started_ms": began + 4 * MINUTE_MS * place,
                "played_ms": 180_000,
                **more,
            }
            for place, name in enumerate(tracks)
        ]
        answer = self.client.post("/v1/listens", json={"listens": listens})
        assert answer.status_code == 202, answer.text
        ids: list[str] = answer.json()["play_ids"]
        return ids

    def later(self, minutes: int = 60) -> None:
        self.now_ms += minutes * MINUTE_MS

    def recommend(self, listener: str, shelf: str = "discover", **query: Any) -> Any:
        params = {"shelf": shelf, **query}
        answer = self.client.get(f"/v1/listeners/{quote(listener, safe='')}/recommendations", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def signal(self, listener: str, name: str, kind: str, **more: Any) -> str:
        self.now_ms += 1
        body = {"listener_id": listener, "track_id": name, "kind": kind, **more}
        answer = self.client.post("/v1/signals", json=body)
        assert answer.status_code == 202, answer.text
        signal_id: str = answer.json()["signal_id"]
        return signal_id

    def impressions(self) -> list[Impression]:
        records = (r for partition in range(IMPRESSIONS.partitions) for r in self.log.read(IMPRESSIONS, partition))
        return [event for record in records for event in record.events if isinstance(event, Impression)]

    def take_back(self, listener: str, play_id: str) -> None:
        answer = self.client.delete(f"/v1/listeners/{quote(listener, safe='')}/plays/{quote(play_id, safe='')}")
        assert answer.status_code == 202, answer.text

    def copy(self, listener: str, to: str) -> None:
        """Give another listener the same plays, under the same names."""
        for partition in range(PLAYS.partitions):
            for record in self.log.read(PLAYS, partition):
                mine = [event for event in record.events if event.listener_id == listener]
                if mine:
                    self.stream.accept(PLAYS, [msgspec.structs.replace(event, listener_id=to) for event in mine])

    def name(self, name: str, other: str) -> None:
        """Let the catalog know the track by another name too."""
        self.rows.put(CATALOG, other, msgspec.msgpack.encode(card(name)), version=1)
