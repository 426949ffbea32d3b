"""Parameters that a route does not take: told rather than ignored, as fields of a body are, for they are misspelt."""

from __future__ import annotations

from functools import cache
from typing import Any

from litestar import Request
from litestar.handlers import BaseRouteHandler

from serving.problems import Fault, invalid

_GIVEN = {"request", "body"}  # what a handler is handed by Litestar


def check_known(request: Request[Any, Any, Any]) -> None:
    """Raises `Refused` (400) with each parameter that the request's route does not take."""
    if not request.scope["query_string"]:
        return
    known = _taken(request.route_handler) - request.path_params.keys()
    if unknown := sorted(set(request.query_params) - known):
        wanted = ", ".join(sorted(known)) or "none"
        raise invalid(*(Fault(f"{name}: no such parameter; wanted {wanted}", parameter=name) for name in unknown))


@cache
def _taken(handler: BaseRouteHandler) -> set[str]:
    return set(handler.parsed_fn_signature.parameters) - _GIVEN
