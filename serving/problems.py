"""Errors as callers see them: RFC 9457 problem documents, whatever went wrong and wherever."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from serving.wording import readable
from warehouse.stores.log import EventRefused, LogUnavailable
from warehouse.stores.rows import RowBroken, RowsUnavailable

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "1"
MAX_BODY_BYTES = 8 << 20  # a thousand listens with every field at its longest
_log = logging.getLogger("backbeat.serving")


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong with a request: in its body (`pointer`, RFC 6901) or in a parameter, by name."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem; `type` leads to its description on the docs page."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[Fault, ...] = ()


class Refused(Exception):
    """A request that is answered with a problem. `name` is the problem's, as in docs/api.md."""

    def __init__(
        self,
        status: HTTPStatus,
        name: str,
        detail: str,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(_type(name), _title(name), status, detail, tuple(errors))
        self.headers = dict(headers or {})


def invalid(*faults: Fault) -> Refused:
    """A 400 that says everything that is wrong."""
    return Refused(HTTPStatus.BAD_REQUEST, "invalid-request", f"{faults[0].detail}", faults)


def not_utf8(name: str) -> Refused:
    """A 400 for a parameter that is not text."""
    return invalid(Fault(f"{name}: not UTF-8 once decoded", parameter=name))


def unavailable(what: str, then: str) -> Refused:
    """A 503 that asks to come back, and says what is safe to do `then`."""
    return _come_back(what, f"The {what} does not answer. {then}")


def _come_back(what: str, detail: str) -> Refused:
    headers = {"Retry-After": RETRY_SECONDS}
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"{what}-unavailable", detail, headers=headers)


def _type(name: str) -> str:
    return f"/docs#problem-{name}"


def _title(name: str) -> str:
    return name.replace("-", " ").capitalize()


def answered(refused: Refused) -> Response[bytes]:
    """The response to a request that was refused."""
    body = msgspec.json.encode(refused.problem)
    headers = {"Cache-Control": "no-store", **refused.headers}
    return Response(body, status_code=refused.problem.status, media_type=MEDIA_TYPE, headers=headers)


def _refused(_: Request[Any, Any, Any], error: Refused) -> Response[bytes]:
    return answered(error)


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What Litestar itself refuses: no such route, a wrong method, a parameter of a wrong type, a large body."""
    status = HTTPStatus(error.status_code)
    wrong = error.extra if isinstance(error.extra, list) else []
    faults = tuple(_parameter_fault(one, request.query_params) for one in wrong)
    if faults:
        return answered(invalid(*faults))
    name = status.phrase.lower().replace(" ", "-")
    detail = _DETAILS.get(status, error.detail or status.phrase)
    return answered(Refused(status, name, detail, headers=error.headers))


def _parameter_fault(wrong: Mapping[str, str], query: Mapping[str, str]) -> Fault:
    """What Litestar says of a parameter, and what was found in its place."""
    name = wrong.get("key")
    found = query.get(name) if name and wrong.get("source") == "query" else None
    return Fault(f"{name or 'request'}: {readable(wrong['message'], name or '', found)}", parameter=name)


def _log_away(_: Request[Any, Any, Any], error: LogUnavailable) -> Response[bytes]:
    _log.error("log: %s", error)
    return answered(unavailable("log", "Send it again: what it may have all the same counts once."))


def _event_refused(_: Request[Any, Any, Any], error: EventRefused) -> Response[bytes]:
    return answered(invalid(Fault(str(error))))


def _broken(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    _log.error("a request failed", exc_info=error)
    detail = "The request failed for a reason of our own. It was logged."
    return answered(Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-server-error", detail))


_DETAILS = {
    HTTPStatus.NOT_FOUND: "There is no such path; see /docs for those there are.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path does not take that method; the Allow header names those it takes.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"The body is larger than {MAX_BODY_BYTES >> 20} MiB; send it in parts.",
}


def handlers(rows_failed: Callable[[], object]) -> Any:  # Litestar types a handler by the widest exception
    """The handler of each exception; `rows_failed` is told when the rows store did not answer."""

    def rows_away(_: Request[Any, Any, Any], error: RowsUnavailable) -> Response[bytes]:
        _log.error("rows: %s", error)
        rows_failed()
        if isinstance(error, RowBroken):
            return answered(_come_back("rows", f"{error}."))
        return answered(unavailable("rows", "Nothing was changed; try again."))

    return {
        Refused: _refused,
        RowsUnavailable: rows_away,
        LogUnavailable: _log_away,
        EventRefused: _event_refused,
        HTTPException: _http,
        Exception: _broken,
    }
