"""What is looked at of every request before a route sees it: where it comes from, its query, the coding of its body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from litestar import Request

from serving.browsers import check_browser
from serving.problems import Refused, not_utf8
from serving.queries import check_parameters

Check = Callable[[Request[Any, Any, Any]], Awaitable[None]]
PLAIN = "identity"


def request_check(*, any_host: bool) -> Check:
    """As `check_browser` and `check_parameters`; `Refused` (400, 415) also for a query not in UTF-8, a coded body."""

    async def check(request: Request[Any, Any, Any]) -> None:
        check_browser(request, any_host=any_host)
        check_query(request.scope["query_string"])
        coding = request.headers.get("content-encoding", PLAIN)
        if request.method == "POST" and coding.strip().lower() != PLAIN:
            detail = f"The Content-Encoding is {coding!r}; wanted a body that is not encoded."
            headers = {"Accept-Encoding": PLAIN}  # RFC 9110 15.5.16
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail, headers=headers)
        check_parameters(request)

    return check


def check_query(query: bytes) -> None:
    """Raises `Refused` (400), naming the first parameter that is not UTF-8 once decoded."""
    for pair in query.split(b"&"):
        try:
            unquote_to_bytes(pair).decode()
        except UnicodeDecodeError as error:
            name = unquote_to_bytes(pair.partition(b"=")[0]).decode(errors="replace")
            raise not_utf8(name) from error
