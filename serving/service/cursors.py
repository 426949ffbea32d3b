"""Page cursors: what was shown already, bound to the model, shelf, seed and listener that showed it."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from itertools import accumulate
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from models.base import Positions

PAGED_ITEMS = 1_000  # how deep a shelf can be paged

Kind = TypeVar("Kind", bound=msgspec.Struct)


class CursorBroken(ValueError):
    """It is not one that this API gave for this question."""


class CursorStale(Exception):
    """The model that showed the earlier pages is no longer the one that answers."""


class Bound(NamedTuple):
    """The question that a cursor goes on with."""

    listener_id: str
    shelf: str
    seed: int | None
    model_version: str


class _Shown(msgspec.Struct, array_like=True, frozen=True):
    listener_id: str
    shelf: str
    seed: int | None
    model_version: str
    gaps: list[int]  # between the positions shown, in order: small numbers are short


class PlaysCursor(msgspec.Struct, array_like=True, frozen=True):
    """The last play of a page of plays."""

    started_ms: int
    play_id: str


def after(bound: Bound, shown: Positions) -> str:
    """The cursor to what comes after these positions."""
    gaps = np.diff(np.sort(shown), prepend=0).tolist()
    return encoded(_Shown(*bound, gaps))


def shown_before(cursor: str, bound: Bound, tracks: int) -> Positions:
    """The positions shown on earlier pages, each below `tracks`. Raises `CursorBroken` and `CursorStale`."""
    read = decoded(cursor, _Shown)
    if (read.listener_id, read.shelf, read.seed) != bound[:3]:
        raise CursorBroken("the cursor was given for another listener, shelf or seed")
    if read.model_version != bound.model_version:
        raise CursorStale(f"the cursor is of model {read.model_version}, and {bound.model_version} answers now")
    if len(read.gaps) >= PAGED_ITEMS:  # where the last page has none
        shown = f"the cursor names {len(read.gaps):,} places; a shelf ends after {PAGED_ITEMS:,}, without a cursor"
        raise CursorBroken(shown)
    places = list(accumulate(read.gaps))
    if min(read.gaps, default=0) < 0 or max(places, default=0) >= tracks:
        raise CursorBroken(f"the cursor names places that were never shown: the model has {tracks:,} tracks")
    return np.array(places, np.int64)


def encoded(cursor: msgspec.Struct) -> str:
    """Any cursor as text that a URL takes."""
    return urlsafe_b64encode(msgspec.msgpack.encode(cursor)).rstrip(b"=").decode()


def decoded(text: str, kind: type[Kind]) -> Kind:
    """The cursor in the text. Raises `CursorBroken`."""
    try:
        return msgspec.msgpack.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise CursorBroken("the cursor is none that this API gave") from error
