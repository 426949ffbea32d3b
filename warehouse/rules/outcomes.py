"""What became of a recommendation: which plays came of it, what they say, and when nothing more is expected."""

from __future__ import annotations

from warehouse.rules.plays import FUTURE_TOLERANCE_MS
from warehouse.rules.quantity import DAY_MS, Quantity

OUTCOME_WINDOW_MS = DAY_MS
PLAYED, SKIPPED, BEGUN = "played", "skipped", "begun"
IGNORED = "ignored"  # nobody played it while that was awaited
OPEN = "open"  # nobody has played it yet
BY_STRENGTH = (BEGUN, SKIPPED, PLAYED)


def is_recommended(same_answer: Quantity, told_as_shown: Quantity, same_track: Quantity) -> Quantity:
    """A play is recommended when it names an impression of its listener that showed its track; else it is organic.

    The track is the one shown by the name that was told (`told_as_shown`), or by what both names stand for.
    """
    return same_answer & (told_as_shown | same_track)


def is_awaited(apart_ms: Quantity) -> Quantity:
    """A recommended play is the outcome of what was shown when it started within a day of it.

    A player's clock may run behind, by as much as it may run ahead.
    """
    return (apart_ms < OUTCOME_WINDOW_MS) & (apart_ms >= -FUTURE_TOLERANCE_MS)


def is_settled(age_ms: Quantity) -> Quantity:
    """What was shown a day ago and not played is ignored. A play that started in time and is told late still counts."""
    return age_ms >= OUTCOME_WINDOW_MS


def strength(counts: Quantity, skipped: Quantity) -> Quantity:
    """The place of a play's outcome in `BY_STRENGTH`, from 0 or 1 for whether it counts and whether it was skipped.

    Of several plays the strongest is the outcome: what was skipped once and then heard was played.
    """
    return 2 * counts + skipped
