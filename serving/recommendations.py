"""Routes that recommend: one shelf for one listener, or for many."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter, RawBody

from serving.access import Access
from serving.answers import ManyRecommendations, MixesAnswer, Recommendations
from serving.caching import FRESH
from serving.documented import problems
from serving.parameters import (
    MAX_EXCLUDED,
    MAX_LIMIT,
    Cursor,
    Diversity,
    Exclude,
    Explore,
    Limit,
    Seed,
    decoder,
    excluded_ids,
    path_id,
)
from serving.problems import Fault, Refused, invalid
from serving.service.cursors import CursorBroken, CursorStale
from serving.service.recommending import Question, Recommender
from serving.service.shelves import Shelf
from warehouse.events import Id

MAX_LISTENERS = 100
MAX_MANY_LIMIT = 50
ShelfName = Annotated[Shelf, QueryParameter(description="discover, on-repeat, next, popular or weekly-discovery")]


class NewQuestions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /v1/recommendations: one question about each of these listeners."""

    listener_ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=MAX_LISTENERS)]
    shelf: Shelf = Shelf.DISCOVER
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_MANY_LIMIT)] = 20
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] | None = None
    exclude: Annotated[list[Id], msgspec.Meta(max_length=MAX_EXCLUDED)] = []
    diversity: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0

    def questions(self) -> list[Question]:
        """One a listener, in order."""
        excluded = tuple(self.exclude)
        return [
            Question(who, self.shelf, self.limit, self.seed, excluded, diversity=self.diversity)
            for who in self.listener_ids
        ]


read_questions = decoder(NewQuestions)


def recommendation_routes(recommender: Recommender, access: Access) -> list[HTTPRouteHandler]:
    """The handlers, over this service."""

    async def answered(question: Question) -> Recommendations:
        try:
            if recommender.has_model:  # half a millisecond: shorter than the way to another thread and back
                return recommender.answer(question)
            return await asyncio.to_thread(recommender.answer, question)
        except CursorBroken as error:
            raise invalid(Fault(str(error), parameter="cursor")) from error
        except CursorStale as error:
            raise Refused(HTTPStatus.GONE, "stale-cursor", f"{error}; begin again without a cursor") from error

    @get(
        "/v1/listeners/{listener_id:str}/recommendations",
        guards=[access.guard],
        response_headers=FRESH,
        responses=problems(400, 401, 403, 410, 503),
        summary="Recommend tracks to a listener",
        tags=["recommendations"],
    )
    async def recommendations(
        listener_id: FromPath[str],
        shelf: ShelfName = Shelf.DISCOVER,
        limit: Limit = 50,
        cursor: Cursor = None,
        seed: Seed = None,
        exclude: Exclude = None,
        explore: Explore = None,
        diversity: Diversity = 0.0,
    ) -> Recommendations:
        """One shelf, each track with its reason and the plays that it cites."""
        who = path_id(listener_id, "listener_id")
        return await answered(Question(who, shelf, limit, seed, excluded_ids(exclude), cursor, explore, diversity))

    @get(
        "/v1/listeners/{listener_id:str}/mixes",
        guards=[access.guard],
        response_headers=FRESH,
        responses=problems(400, 401, 403, 503),
        summary="Daily mixes of a listener",
        tags=["recommendations"],
        sync_to_thread=False,
    )
    def mixes(listener_id: FromPath[str], limit: Limit = 30) -> MixesAnswer:
        """The parts of a taste, each named by its artists, with own tracks and new ones in turn."""
        return recommender.mixes(path_id(listener_id, "listener_id"), limit)

    @post(
        "/v1/recommendations",
        status_code=200,
        response_headers=FRESH,
        responses=problems(400, 401, 403, 408, 413, 415, 503),
        summary=f"Recommend tracks to up to {MAX_LISTENERS} listeners",
        tags=["recommendations"],
    )
    async def many(request: Request[Any, Any, Any], body: RawBody) -> ManyRecommendations:
        """The same question about each of them; with a secret, the token's listener alone."""
        asked = read_questions(body)
        access.check(request, asked.listener_ids, "/listener_ids/{}")
        answers = []
        for question in asked.questions():
            answers.append(await answered(question))
            await asyncio.sleep(0)  # others are answered in between
        return ManyRecommendations(tuple(answers))

    return [recommendations, mixes, many]


__all__ = ["MAX_LIMIT", "NewQuestions", "recommendation_routes"]
