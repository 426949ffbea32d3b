"""Parameters that a route does not take, or not twice: told rather than ignored, for they are a mistake."""

from __future__ import annotations

from functools import cache
from typing import Any

from litestar import Request
from litestar.handlers import BaseRouteHandler
from litestar.typing import FieldDefinition

from serving.problems import Fault, invalid

_GIVEN = {"request", "body"}  # what a handler is handed by Litestar


def check_parameters(request: Request[Any, Any, Any]) -> None:
    """Raises `Refused` (400) with each parameter that the route does not take, or takes once and that came again."""
    if not request.scope["query_string"]:
        return
    taken, query = _taken(request.route_handler), request.query_params
    known = taken.keys() - request.path_params.keys()
    unknown = sorted(set(query) - known)
    again = [name for name in sorted(known & set(query)) if not taken[name] and len(query.getall(name)) > 1]
    if unknown or again:
        wanted = ", ".join(sorted(known)) or "none"
        faults = [_fault(name, f"no such parameter; wanted {wanted}") for name in unknown]
        faults += [_fault(name, f"came {len(query.getall(name))} times; wanted once") for name in again]
        raise invalid(*faults)


def _fault(name: str, detail: str) -> Fault:
    return Fault(f"{name}: {detail}", parameter=name)


@cache
def _taken(handler: BaseRouteHandler) -> dict[str, bool]:
    """The parameters of the route, and whether each may come again."""
    fields = handler.parsed_fn_signature.parameters
    return {name: _is_list(field) for name, field in fields.items() if name not in _GIVEN}


def _is_list(field: FieldDefinition) -> bool:
    return any(kind.is_non_string_collection for kind in (field, *field.inner_types))
