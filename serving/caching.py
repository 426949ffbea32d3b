"""Answers that stay as they are for a while: an entity tag each, and 304 for who has it already (RFC 9110)."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.types import ResponseHeaders

Answer = TypeVar("Answer", bound=msgspec.Struct)
NOT_MODIFIED = 304
FRESH: ResponseHeaders = {"Cache-Control": "no-store"}  # what changes with the next play


def tagged(request: Request[Any, Any, Any], answer: Answer) -> Response[Answer]:
    """The answer with the tag of its content; a 304 without it where the caller's copy is the same."""
    tag = f'"{blake2b(msgspec.json.encode(answer), digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "public, no-cache"}  # may be kept, must be asked about
    if _names(",".join(request.headers.getall("if-none-match", [])), tag):  # lines are one list: RFC 9110 5.3
        empty: Response[Any] = Response(None, status_code=NOT_MODIFIED, headers=headers)
        return empty
    return Response(answer, headers=headers)


def _names(condition: str, tag: str) -> bool:
    given = {part.strip().removeprefix("W/") for part in condition.split(",")}
    return tag in given or "*" in given
