"""Routes about tracks and charts: the same for everybody, so they may be kept and asked about."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from serving.answers import ChartAnswer, SimilarAnswer, TrackAnswer, TrendingAnswer
from serving.caching import tagged
from serving.documented import problems
from serving.parameters import CountryCode, Limit, path_id
from serving.problems import Refused
from serving.service.library import Library, UnknownTrack
from serving.service.trending import Trending
from warehouse.tables import EVERYWHERE

MAX_HOURS = 24
Day = Annotated[date | None, QueryParameter(description="the UTC day; the newest full one by default")]


Hours = Annotated[int, QueryParameter(ge=1, le=MAX_HOURS, description="whole hours, beside the one that runs")]


def track_routes(library: Library, trending: Trending) -> list[HTTPRouteHandler]:
    """The handlers, over these services."""

    @get(
        "/v1/tracks/{track_id:str}",
        responses=problems(400, 404, 503),
        summary="What is known of a track",
        tags=["tracks"],
        sync_to_thread=False,
    )
    def track(request: Request[Any, Any, Any], track_id: FromPath[str]) -> Response[TrackAnswer]:
        """Names, length and identifiers; null where nobody told."""
        try:
            return tagged(request, library.track(path_id(track_id, "track_id")))
        except UnknownTrack as error:
            raise _unknown(error) from error

    @get(
        "/v1/tracks/{track_id:str}/similar",
        responses=problems(400, 404, 503),
        summary="Tracks like a track",
        tags=["tracks"],
        sync_to_thread=False,
    )
    def similar(request: Request[Any, Any, Any], track_id: FromPath[str], limit: Limit = 20) -> Response[SimilarAnswer]:
        """By the cosine of the published model's vectors."""
        try:
            return tagged(request, library.similar(path_id(track_id, "track_id"), limit))
        except UnknownTrack as error:
            raise _unknown(error) from error

    @get(
        "/v1/charts",
        responses=problems(400, 503),
        summary="The most played tracks of a day",
        tags=["charts"],
        sync_to_thread=True,  # a chart that is not in memory is read from the lake
    )
    def charts(
        request: Request[Any, Any, Any],
        day: Day = None,
        country: CountryCode = EVERYWHERE,
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
    ) -> Response[ChartAnswer]:
        """Everywhere or in one country; a day without a chart has no entries.

        Without `day` it is that of the newest full day, and says which: a day with less than a tenth of the usual
        plays, as one that has only begun, is left out.
        """
        return tagged(request, library.chart(day, country, limit))

    @get(
        "/v1/trending",
        responses=problems(400, 503),
        summary="The most played tracks of the last hours",
        tags=["charts"],
        sync_to_thread=True,  # a day of hours is a hundred rows
    )
    def trends(
        request: Request[Any, Any, Any],
        country: CountryCode = EVERYWHERE,
        hours: Hours = 24,
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
    ) -> Response[TrendingAnswer]:
        """As of now, everywhere or in one country, with how far each count may be off."""
        return tagged(request, trending.answer(country, hours, limit))

    return [track, similar, charts, trends]


def _unknown(error: UnknownTrack) -> Refused:
    return Refused(HTTPStatus.NOT_FOUND, "unknown-track", str(error))
