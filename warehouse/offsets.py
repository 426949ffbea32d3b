"""Offsets of the log, by `topic/partition`: how a row says how far it is."""

from __future__ import annotations

from collections.abc import Mapping


def records_seen(offsets: Mapping[str, int]) -> int:
    """How many records there are up to these offsets: the version of a row that has seen them, higher with each."""
    return sum(offsets.values()) + len(offsets)
