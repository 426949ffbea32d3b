"""What callers may send, with its bounds: ids in paths, lists in queries, JSON in bodies."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from urllib.parse import unquote

import msgspec
from litestar.params import QueryParameter

from serving.problems import Fault, invalid, not_utf8
from serving.wording import readable
from warehouse.events import MAX_ID_CHARACTERS, Id

MAX_LIMIT = 200
MAX_EXCLUDED = 500
MAX_CURSOR = 16_384
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.001, 10  # below, chances are all but 0 or 1, and teach nothing

Body = TypeVar("Body")
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="how many at most")]
Cursor = Annotated[str | None, QueryParameter(max_length=MAX_CURSOR, description="`next_cursor` of the page before")]
Seed = Annotated[int | None, QueryParameter(ge=0, lt=2**53, description="varies the order, the same way each time")]
Explore = Annotated[
    float | None,
    QueryParameter(
        ge=MIN_TEMPERATURE,
        le=MAX_TEMPERATURE,
        description=f"draws the list, the more freely the higher, from {MIN_TEMPERATURE}; propensities are logged",
    ),
]
Diversity = Annotated[
    float,
    QueryParameter(
        ge=0, le=1, description="how much less a track is worth for being like one above it; 0 is not at all"
    ),
]
Exclude = Annotated[
    list[str] | None,
    QueryParameter(description=f"tracks to leave out: repeated, or separated by commas; {MAX_EXCLUDED} at most"),
]
CountryCode = Annotated[
    str, QueryParameter(pattern=r"^([A-Z]{2}|all)(?!\n)$", description="ISO 3166-1 alpha-2; all by default")
]

_AT = re.compile(r" - at `(?:key in )?\$(.*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def path_id(segment: str, name: str) -> str:
    """The id in a path segment, percent-decoded. Raises `Refused` (400) where it is none."""
    try:
        return checked_id(unquote(segment, errors="strict"), name)
    except UnicodeDecodeError as error:
        raise not_utf8(name) from error


def checked_id(text: str, name: str) -> str:
    """The id itself. Raises `Refused` (400) unless it is an `Id`."""
    try:
        return msgspec.convert(text, Id)
    except msgspec.ValidationError as error:
        detail = f"{name}: wanted 1 to {MAX_ID_CHARACTERS} characters, no control characters; found {text[:40]!r}"
        raise invalid(Fault(detail, parameter=name)) from error


def excluded_ids(values: Sequence[str] | None) -> tuple[str, ...]:
    """Ids that were repeated or separated by commas. Raises `Refused` (400) beyond `MAX_EXCLUDED`."""
    ids = tuple(part for value in values or () for part in value.split(",") if part)
    if len(ids) > MAX_EXCLUDED:
        detail = f"exclude: wanted at most {MAX_EXCLUDED} ids, found {len(ids)}"
        raise invalid(Fault(detail, parameter="exclude"))
    return tuple(checked_id(track, "exclude") for track in ids)


def decoder(kind: type[Body]) -> Callable[[bytes], Body]:
    """A function from a JSON body to `kind`, which raises `Refused` (400) and points at what is wrong."""
    decode = msgspec.json.Decoder(kind).decode

    def decoded(body: bytes) -> Body:
        try:
            return decode(body)
        except msgspec.ValidationError as error:
            raise invalid(body_fault(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise invalid(Fault(f"the body is not JSON: {error}", pointer="")) from error

    return decoded


def body_fault(error: msgspec.ValidationError, under: str = "") -> Fault:
    """Msgspec's error, its place given as a JSON pointer below `under`."""
    text = str(error)
    at = _AT.search(text)
    steps = _STEP.findall(at[1]) if at else []
    pointer = under + "".join(f"/{name or index}" for name, index in steps)
    said = text[: at.start()] if at else text
    return Fault(readable(said, pointer.rpartition("/")[2]), pointer=pointer)
