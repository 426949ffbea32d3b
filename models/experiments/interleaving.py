"""Two rankings in one list: team-draft interleaving, Radlinski, Kurup and Joachims (CIKM 2008).

Every listener compares both rankings themself, so that preferences show with far fewer listeners than in an A/B test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from models.base import Floats, Positions

A, B, NEITHER = 0, 1, -1
LEVEL = 0.95


@dataclass(frozen=True)
class Interleaved:
    """The list that is shown, and for each place which ranking drafted it: `A`, `B` or `NEITHER`."""

    tracks: Positions
    teams: Positions


@dataclass(frozen=True)
class Preference:
    """Listeners who preferred either ranking, and those who did not; `share_b` among who did, with its 95% interval.

    `delta` is Chapelle et al.'s (2012) measure: how far B's share of all listeners, ties halved, is from a half.
    """

    prefer_a: int
    prefer_b: int
    ties: int
    share_b: float
    low: float
    high: float
    delta: float
    p_value: float


def team_draft(a: Positions, b: Positions, k: int, random: np.random.Generator) -> Interleaved:
    """At most `k` tracks of both rankings, drafted in turns; who drafts first in each round is a toss.

    Once a ranking has nothing left, what the other still has fills the list and counts for neither: else the longer one
    would have more places for its length. Raises ValueError where a ranking holds a track twice.
    """
    rankings = ([int(track) for track in a], [int(track) for track in b])
    if any(len(set(ranking)) < len(ranking) for ranking in rankings):
        raise ValueError("a ranking with a track more than once; wanted each once")
    shown: dict[int, int] = {}
    turn = [A, B]
    while len(shown) < k:
        if len(shown) % 2 == 0:
            turn = [A, B] if random.random() < 0.5 else [B, A]
        team = turn[len(shown) % 2]
        track = next((track for track in rankings[team] if track not in shown), None)
        if track is None:
            if team == turn[1]:  # the round's first draft has no counterpart, so it speaks for nobody
                shown[next(reversed(shown))] = NEITHER
            break
        shown[track] = team
    rest = [track for ranking in rankings for track in ranking if track not in shown][: k - len(shown)]
    shown |= dict.fromkeys(rest, NEITHER)
    return Interleaved(np.fromiter(shown, np.int64, len(shown)), np.fromiter(shown.values(), np.int64, len(shown)))


def credit(teams: Positions, played: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """How many plays of one list went to A's and to B's places; `teams` and `played` are [places]."""
    if teams.shape != played.shape:
        raise ValueError(f"{len(teams)} places and {len(played)} outcomes; wanted an outcome for each place")
    return int((played & (teams == A)).sum()), int((played & (teams == B)).sum())


def preference(a: Floats, b: Floats) -> Preference:
    """Which ranking listeners prefer, by their credits [listeners], each summed over all lists that they were shown.

    The sign test, exact, and Wilson's interval: how much one listener plays does not weigh more than another's vote.
    Raises ValueError for different lengths.
    """
    if a.shape != b.shape:
        raise ValueError(f"credits of {len(a)} and of {len(b)} listeners; wanted the same ones")
    prefer_a, prefer_b = int((a > b).sum()), int((b > a).sum())
    decided, ties = prefer_a + prefer_b, int((a == b).sum())
    if not decided:
        return Preference(0, 0, ties, 0.5, 0.0, 1.0, 0.0, 1.0)
    test = binomtest(prefer_b, decided)
    interval = test.proportion_ci(LEVEL, "wilson")
    share, delta = prefer_b / decided, (prefer_b + ties / 2) / len(a) - 0.5
    return Preference(
        prefer_a, prefer_b, ties, share, float(interval.low), float(interval.high), delta, float(test.pvalue)
    )
