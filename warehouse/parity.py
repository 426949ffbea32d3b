"""Whether two accounts of one listener are equal, row by row: what the stream says and what the batch says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from warehouse.reading import CurrentTaste
from warehouse.sessions import known_sessions
from warehouse.taste import Entry, Heard, Opinion, TasteBase

SHOWN = 10  # differences that are kept to be looked at


class Account(NamedTuple):
    """What is said of a listener: plays and taste ordered and bounded as in `TasteBase`.

    Opinions are by track_id, sessions (their starts) by the play_id of those plays whose session is sure.
    """

    plays: Sequence[Heard] = ()
    taste: Sequence[Entry] = ()
    opinions: Mapping[str, Opinion] = {}
    sessions: Mapping[str, int] = {}

    @property
    def rows(self) -> dict[str, dict[Any, Any]]:
        """The rows that are compared, by kind and key."""
        return {
            "plays": {heard.play_id: heard for heard in self.plays},
            "taste": {entry[:2]: entry for entry in self.taste},
            "opinions": dict(self.opinions),
            "sessions": dict(self.sessions),
        }


class Difference(NamedTuple):
    """A row that is not the same on both sides; None where a side has none."""

    listener_id: str
    kind: str
    key: Any
    stream: Any
    batch: Any


class Comparison:
    """Counts rows that were compared, and those that differ, over all listeners."""

    def __init__(self) -> None:
        self.listeners = 0
        self.compared = dict.fromkeys(Account().rows, 0)
        self.mismatches = 0
        self.differing = 0
        self.first: list[Difference] = []

    def add(self, listener_id: str, stream: Account, batch: Account) -> None:
        """Compare one listener."""
        self.listeners += 1
        found: list[Difference] = []
        theirs = batch.rows
        for kind, rows in stream.rows.items():
            other = theirs[kind]
            keys = list(rows) if rows.keys() == other.keys() else sorted(rows.keys() | other.keys())
            self.compared[kind] += len(keys)
            found += [
                Difference(listener_id, kind, key, rows.get(key), other.get(key))
                for key in keys
                if rows.get(key) != other.get(key)
            ]
        if not found:
            found = _misplaced(listener_id, stream, batch)
        self.mismatches += len(found)
        self.differing += bool(found)
        self.first += found[: SHOWN - len(self.first)]


def stream_account(taste: CurrentTaste) -> Account:
    """What the stream says, once its rows are read."""
    return Account(taste.recent, taste.entries, taste.opinions, known_sessions(taste.recent))


def batch_account(base: TasteBase, session_of: Mapping[str, int]) -> Account:
    """What the batch says; `session_of` is core.sessions, by play_id, for at least those plays that `base` names.

    Where it has no session for a play whose session is sure, the account says so by leaving it out.
    """
    sure = known_sessions(base.recent)
    sessions = {play_id: session_of[play_id] for play_id in sure if play_id in session_of}
    return Account(base.recent, base.entries, {said.track_id: said for said in base.opinions}, sessions)


def _misplaced(listener_id: str, stream: Account, batch: Account) -> list[Difference]:
    """Equal rows in another order."""
    kinds = (("plays", stream.plays, batch.plays), ("taste", stream.taste, batch.taste))
    return [
        Difference(listener_id, kind, "order", mine[0], theirs[0])
        for kind, mine, theirs in kinds
        if tuple(mine) != tuple(theirs)
    ]
