"""Whether two accounts of one listener are equal, row by row: what the stream says and what the batch says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import eq
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


class Tally:
    """Counts rows of some kinds that were compared, and those that differ; the first of these are kept."""

    def __init__(self, *kinds: str) -> None:
        self.compared = dict.fromkeys(kinds, 0)
        self.mismatches = 0
        self.first: list[Difference] = []

    def hold(
        self,
        listener_id: str,
        kind: str,
        stream: Mapping[Any, Any],
        batch: Mapping[Any, Any],
        agree: Callable[[Any, Any], bool] = eq,
    ) -> int:
        """Compare what both sides say, by key; how many rows differ."""
        keys = list(stream) if stream.keys() == batch.keys() else sorted(stream.keys() | batch.keys())
        self.compared[kind] += len(keys)
        return self.note(
            [
                Difference(listener_id, kind, key, stream.get(key), batch.get(key))
                for key in keys
                if not agree(stream.get(key), batch.get(key))
            ]
        )

    def note(self, found: Sequence[Difference]) -> int:
        """Count rows that differ; how many there are."""
        self.mismatches += len(found)
        self.first += found[: SHOWN - len(self.first)]
        return len(found)


class Comparison(Tally):
    """Tastes: what was heard, what is liked, and sessions, over all listeners."""

    def __init__(self) -> None:
        super().__init__(*Account().rows)
        self.listeners = 0
        self.differing = 0

    def add(self, listener_id: str, stream: Account, batch: Account) -> None:
        """Compare one listener."""
        self.listeners += 1
        theirs = batch.rows
        found = sum(self.hold(listener_id, kind, rows, theirs[kind]) for kind, rows in stream.rows.items())
        if not found:
            found = self.note(_misplaced(listener_id, stream, batch))
        self.differing += bool(found)


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
