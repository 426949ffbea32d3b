"""What is wrong with a value, in words that say what was wanted: the libraries that check it name a regex or a type."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from serving.service.shelves import Shelf
from warehouse.events import SignalKind

CHOICES: Mapping[str, type[StrEnum]] = {"shelf": Shelf, "kind": SignalKind}
_WANTED = {
    "country": "two capital letters of ISO 3166-1, such as SE, or all",
    "day": "a UTC day, such as 2026-06-30",
}


def readable(message: str, name: str) -> str:
    """A library's message about the field or parameter of that name, with the choices or the form that it takes."""
    if message.startswith("Invalid enum value") and name in CHOICES:
        return f"{message}; wanted one of {', '.join(CHOICES[name])}"
    if name in _WANTED and ("matching regex" in message or "RFC3339" in message):
        return f"wanted {_WANTED[name]}"
    if "matching regex" in message:
        return "wanted characters of which none is a control character, such as a line break"
    return message
