"""The API put together: services over the stores that it is given, routes over the services."""

from __future__ import annotations

import gc
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from litestar import Litestar
from litestar.enums import HttpMethod, ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import Message, Receive, Scope, Send

from models.experiments.assignment import Experiment
from serving.access import Access
from serving.bodies import SECONDS, Bodies, Body
from serving.documented import with_bodies, with_token
from serving.heads import bodiless, name_head
from serving.listeners import listener_routes
from serving.listens import listen_routes
from serving.live import live_routes
from serving.live_meters import LiveMeters
from serving.meters import Meters, method_label
from serving.operations import operation_routes
from serving.problems import MAX_BODY_BYTES, handlers
from serving.recommendations import NewQuestions, recommendation_routes
from serving.requests import request_check
from serving.service.accepts import Accepts
from serving.service.appends import Appends
from serving.service.background import Repeated
from serving.service.impressions import ImpressionLog
from serving.service.live import Live
from serving.service.ports import Charts, Clock, DeadLetters, Models, Stream, WatchedStream
from serving.service.published import NO_MODEL
from serving.service.reader import Reader
from serving.service.telling import NewListens, NewSignal, Teller
from serving.tracks import track_routes
from warehouse.events import Event, Topic
from warehouse.stores.log import LogUnavailable
from warehouse.stores.rows import Rows, RowsUnavailable

VERSION = "1"
_ABOUT = "Plays in, explained recommendations out. Times are UTC milliseconds, days UTC days."
_BODIES: dict[str, type[msgspec.Struct]] = {
    "/v1/recommendations": NewQuestions,
    "/v1/listens": NewListens,
    "/v1/signals": NewSignal,
}
_EXAMPLES: dict[str, Any] = {
    "/v1/recommendations": {"listener_ids": ["ada", "bob"], "shelf": "next", "limit": 3},
    "/v1/listens": {
        "listens": [{"listener_id": "ada", "track_id": "t:1/4", "started_ms": 1_777_888_800_000, "played_ms": 181_000}]
    },
    "/v1/signals": {"listener_id": "ada", "track_id": "t:1/7", "kind": "dislike"},
}
_OPEN = (
    *("/v1/tracks/{track_id}", "/v1/tracks/{track_id}/similar", "/v1/charts", "/v1/trending"),
    *("/v1/stream", "/healthz", "/readyz", "/metrics"),
)
_log = logging.getLogger("backbeat.serving")


@dataclass(frozen=True)
class Stores:
    """What the API stands on. Whoever opens them closes them, after the API has stopped."""

    rows: Rows
    stream: WatchedStream
    models: Models
    charts: Charts
    dead_letters: DeadLetters


@dataclass(frozen=True)
class ApiConfig:
    """`secret` signs listener tokens, empty asks for none; the pointer to the model is looked at so often.

    A body is read for `body_seconds`, and longer as it comes in. `experiment` is the one that runs: its arms are told
    to callers and logged with what was shown.
    """

    secret: str = ""
    reload_seconds: float = 0.5
    body_seconds: float = SECONDS
    experiment: Experiment | None = None


def new_id() -> str:
    """128 random bits in hex."""
    return secrets.token_hex(16)


class Services:
    """Everything behind the routes, and what runs beside them."""

    def __init__(self, stores: Stores, clock: Clock, config: ApiConfig) -> None:
        self.meters = Meters()
        accepts = Accepts(clock)
        self.stream = MeteredStream(stores.stream, self.meters, accepts)
        self.live = Live(stores.rows, stores.stream, accepts, stores.dead_letters, clock)
        self.live_meters = LiveMeters(self.meters.registry)
        reader = Reader(stores.rows, stores.models, stores.charts)
        self.published, self.cards = reader.published, reader.cards
        self.impressions = ImpressionLog(self.stream, self.meters.impressions_lost.inc)
        self.recommender = reader.recommender(
            clock=clock, new_id=new_id, shown=self.impressions.shown, experiment=config.experiment
        )
        self.histories = reader.histories(clock)
        self.outcomes = reader.outcomes(clock)
        self.library = reader.library()
        self.appends = Appends()
        self.trending = reader.trending(clock)
        self.teller = Teller(self.stream, clock=clock, new_id=new_id)
        self._watcher = Repeated("model-watcher", config.reload_seconds, self.reload)

    def reload(self) -> None:
        """Look whether another model is published, and take it over."""
        if self.published.refresh():
            self.cards.forget()
            self.trending.forget()
            self.meters.reloads.inc()
            gc.freeze()  # a snapshot stays: collections, which stop every request, need not walk it

    async def show_live(self) -> None:
        """Let the meters say how the stream does now."""
        self.live_meters.show(await self.live.answer())

    @asynccontextmanager
    async def running(self, _: Litestar) -> AsyncIterator[None]:
        """Load the model before the first request; on the way out flush what waits."""
        self.reload()
        self._watcher.start()
        self.impressions.start()
        try:
            yield
        finally:
            self._watcher.stop()
            self.impressions.stop()
            self.appends.close()
            self.live.close()


class MeteredStream:
    """A stream that counts what it was told, and takes the time of it."""

    def __init__(self, stream: Stream, meters: Meters, accepts: Accepts) -> None:
        self._stream = stream
        self._appends = meters.log_appends
        self._accepts = accepts

    def check(self) -> None:
        """As the stream that it wraps."""
        self._stream.check()

    def problem(self) -> str | None:
        """What is wrong with the log at this moment."""
        try:
            self.check()
        except LogUnavailable as error:
            return str(error)
        return None

    def accept(self, topic: Topic, events: Sequence[Event]) -> object:
        """As the stream that it wraps."""
        began = time.perf_counter()
        try:
            accepted = self._stream.accept(topic, events)
        except LogUnavailable:
            self._appends.labels(topic.name, "failed").inc(len(events))
            raise
        except RowsUnavailable:  # the log has them
            self._appends.labels(topic.name, "appended").inc(len(events))
            raise
        self._appends.labels(topic.name, "appended").inc(len(events))
        self._accepts.note(topic, len(events), 1_000 * (time.perf_counter() - began))
        return accepted


class Api:
    """The ASGI application: Litestar with requests timed, bodies bounded, HEAD answered, and paths as they were sent.

    Litestar routes by the decoded path, in which a `/` within an id would be lost: ids are decoded by their routes.
    """

    def __init__(self, litestar: Litestar, services: Services, bodies: Bodies) -> None:
        self.litestar = litestar
        self.services = services
        self.bodies = bodies
        self._requests = services.meters.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan."""
        if scope["type"] != ScopeType.HTTP:
            await self.litestar(scope, receive, send)
            return
        started = time.perf_counter()
        scope["path"] = scope["raw_path"].partition(b"?")[0].decode("ascii", "replace")
        method, status = scope["method"], "500"
        if method == "HEAD":
            scope["method"], send = HttpMethod.GET, bodiless(send)
        body = Body(self.bodies, receive)

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                name_head(message)
            await send(message)

        try:
            await self.litestar(scope, body, noting)
        finally:
            body.close()
        snapshot = self.services.published.snapshot
        route = scope.get("path_template") or "unmatched"
        version = snapshot.version if snapshot else NO_MODEL
        self._requests.labels(method_label(method), route, status, version).observe(time.perf_counter() - started)


def create_app(stores: Stores, *, clock: Clock, config: ApiConfig = ApiConfig()) -> Api:
    """The API over these stores. It reads no environment and keeps no global."""
    services = Services(stores, clock, config)
    access = Access(config.secret, clock)
    document: Callable[[], bytes] = cache(lambda: _document(routes))
    routes: list[HTTPRouteHandler] = [
        *recommendation_routes(services.recommender, access),
        *listener_routes(services.histories, services.outcomes, services.teller, services.appends, access),
        *listen_routes(services.teller, services.appends, access),
        *track_routes(services.library, services.trending),
        *live_routes(services.live),
        *operation_routes(
            stores.rows,
            services.published,
            services.stream.problem,
            services.appends,
            services.meters,
            services.show_live,
            document,
        ),
    ]
    litestar = Litestar(
        routes,
        lifespan=[services.running],
        before_request=request_check(any_host=bool(config.secret)),
        exception_handlers=handlers(services.meters.rows_errors.inc),
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,  # which would serve the document once more, at a path of its own
        logging_config=None,
    )
    return Api(litestar, services, Bodies(config.body_seconds))


def _openapi() -> OpenAPIConfig:
    """Litestar derives the document; our own routes serve it, whole and without another host."""
    return OpenAPIConfig(
        title="Backbeat",
        version=VERSION,
        description=_ABOUT,
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
    )


def _document(routes: Sequence[HTTPRouteHandler]) -> bytes:
    described = Litestar(routes, openapi_config=_openapi(), logging_config=None)
    document = with_bodies(described.openapi_schema.to_schema(), _BODIES, _EXAMPLES)
    return msgspec.json.encode(with_token(document, _OPEN))
