"""What counts as a play, what is a skip, and when two plays are one play told twice."""

from __future__ import annotations

from warehouse.rules.quantity import DAY_MS, MINUTE_MS, SECOND_MS, Quantity

PLAY_THRESHOLD_MS = 30 * SECOND_MS
SAME_PLAY_MS = 60 * SECOND_MS
UNKNOWN_TRACK_MS = 2**52  # longer than any track, so that half a minute decides
SKIPPED = "skip"
MIN_STARTED_MS = 946_684_800_000  # 2000-01-01: no service told plays before, a zero clock and a wrong unit do
LONGEST_PLAY_MS = DAY_MS  # a longer play or track is a wrong unit, or a device left alone
FUTURE_TOLERANCE_MS = 10 * MINUTE_MS  # a player's clock may run ahead by this much


def counts_as_play(played_ms: Quantity, track_ms: Quantity) -> Quantity:
    """Half a minute, or half the track when the track is shorter than a minute.

    An unknown `track_ms` is `UNKNOWN_TRACK_MS`; an unknown `played_ms` is what `warehouse.sources` resolves it to.
    """
    return (played_ms >= PLAY_THRESHOLD_MS) | (2 * played_ms >= track_ms)


def is_skip(ended_by_skip: Quantity, counts: Quantity) -> Quantity:
    """A play that ended by `SKIPPED` before it counted; both are truths, of which the false is the lesser."""
    return ended_by_skip > counts


def same_play(apart_ms: Quantity) -> Quantity:
    """Two tellings of one track by one listener are the same play when they start less than a minute apart."""
    return (apart_ms < SAME_PLAY_MS) & (apart_ms > -SAME_PLAY_MS)
