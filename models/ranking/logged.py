"""Impressions that were logged: what a listener was really shown, as it looked at that moment, and what became of it.

The taste is the listener's own plays before the answer, the corpus what everybody had played before the window that it
lies in: what came after changes nothing but the label. A track whose play counts is 1; one that was skipped before, or
not touched at all, is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.base import Floats, Positions
from models.ranking.corpus import Corpus
from models.ranking.counting import Plays
from models.ranking.evidence import Evidence
from models.ranking.features import features
from models.ranking.lists import List, Lists
from models.ranking.pseudo import taste_at
from models.ranking.sparse import starts_of_runs
from models.ranking.two_stage import TwoStageConfig
from warehouse.rules.outcomes import is_settled
from warehouse.rules.quantity import SECOND_MS


@dataclass(frozen=True)
class Shown:
    """Slots that were shown [slots], by answer: rows of listeners, tracks, the moment in seconds, and what was played.

    `answers` are numbers that ascend, `slots` places in the answer from 0.
    """

    answers: Positions
    listeners: Positions
    tracks: Positions
    slots: Positions
    shown_s: Floats
    played: Positions

    def __len__(self) -> int:
        """How many answers."""
        return len(starts_of_runs(self.answers))

    @classmethod
    def nothing(cls) -> Shown:
        """Where nobody was shown anything."""
        none = np.empty(0, np.int64)
        return cls(none, none, none, none, np.empty(0), none)

    def settled(self, moment_s: float) -> Shown:
        """What was shown so long before that its outcome was known by then."""
        return self._where(is_settled(moment_s * SECOND_MS - self.shown_s * SECOND_MS))

    def between(self, begins_s: float, ends_s: float) -> Shown:
        """What was shown in [begins, ends)."""
        return self._where((self.shown_s >= begins_s) & (self.shown_s < ends_s))

    def _where(self, chosen: np.ndarray) -> Shown:
        return Shown(*(values[chosen] for values in vars(self).values()))


def logged(corpus: Corpus, plays: Plays, shown: Shown, config: TwoStageConfig) -> Lists:
    """Lists of these answers, but for listeners who had played nothing before; the corpus is of plays before all."""
    starts = starts_of_runs(shown.answers)
    bounds = np.append(starts, len(shown.answers)).tolist()
    found = [_list(corpus, plays, shown, slice(start, end), config) for start, end in pairwise(bounds)]
    return Lists.told([one for one in found if one is not None], len(starts))


def _list(corpus: Corpus, plays: Plays, shown: Shown, slots: slice, config: TwoStageConfig) -> List | None:
    listener = int(shown.listeners[slots.start])
    at = last_before(plays, listener, float(shown.shown_s[slots.start]))
    if at is None:
        return None
    (evidence,) = Evidence.read(corpus, [taste_at(plays, at, config)])
    return List(listener, features(corpus, evidence, shown.tracks[slots]), shown.played[slots], shown.slots[slots])


def last_before(plays: Plays, listener: int, moment_s: float) -> int | None:
    """The place of the last play that this listener had begun before the moment; None where there is none."""
    first, end = np.searchsorted(plays.listeners, [listener, listener + 1])
    at = int(first + np.searchsorted(plays.started_s[first:end], moment_s)) - 1
    return at if at >= first else None
