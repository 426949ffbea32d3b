"""What is wrong with a value, in words that say what was wanted: the libraries that check it name a regex or a type."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from serving.service.shelves import Shelf
from warehouse.events import SignalKind

CHOICES: Mapping[str, type[StrEnum]] = {"shelf": Shelf, "kind": SignalKind}
SHOWN_CHARACTERS = 40  # of what was found: enough to know it again
_OF_TEXT = ", got `str`"
_WANTED = {
    "country": "two capital letters of ISO 3166-1, such as SE, or all",
    "day": "a UTC day, such as 2026-06-30",
}


def readable(message: str, name: str, found: str | None = None) -> str:
    """A library's message about the field or parameter of that name, with the choices or the form that it takes.

    What was `found` in a query is told shortened: of that the library says nothing, all of it, or that it is text.
    """
    if message.startswith("Invalid enum value") and name in CHOICES:
        wanted = f"wanted one of {', '.join(CHOICES[name])}"
        return f"{message}; {wanted}" if found is None else _with_found(wanted, found)
    wanted = _wanted(message, name)
    return wanted if found is None else _with_found(wanted.removesuffix(_OF_TEXT), found)


def _with_found(wanted: str, found: str) -> str:
    return f"{wanted}; found {found[:SHOWN_CHARACTERS]!r}"


def _wanted(message: str, name: str) -> str:
    if name in _WANTED and ("matching regex" in message or "RFC3339" in message):
        return f"wanted {_WANTED[name]}"
    if "matching regex" in message:
        return "wanted characters of which none is a control character, such as a line break"
    return message
