"""How much is played on a day, beside the days before it: far less, and the day is broken or has only begun."""

from __future__ import annotations

from collections.abc import Sequence

LOOK_BACK_DAYS = 28
LEAST_DAYS = 7  # with fewer days behind it, no day but an empty one is out of proportion
LEAST_PLAYS = 100  # where the median day has fewer plays, days may well differ, and one may be empty
LOWEST_SHARE, HIGHEST_SHARE = 0.1, 10.0  # of the median day's plays


def median_day(past: Sequence[int]) -> int:
    """The plays of the median of these days, the later of the two in the middle; 0 for no day."""
    return sorted(past)[len(past) // 2] if past else 0


def is_full(plays: int, past: Sequence[int]) -> bool:
    """Whether a day with so many plays is one to go by, after days with so many: not a small part of their median."""
    if len(past) < LEAST_DAYS or median_day(past) < LEAST_PLAYS:
        return True
    return plays >= LOWEST_SHARE * median_day(past)
