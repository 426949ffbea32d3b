"""Whether a candidate may be published: it may not lose to what is published, nor to popularity.

Nor does one that nobody measured replace one that was measured: a loss that nobody looked for is still a loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.base import Floats
from models.evaluation.bootstrap import Interval, paired

METRIC = "NDCG@20"
LEAST_LISTENERS = 20  # of fewer the bootstrap's 95% interval is far too narrow: it covers 93% of 20, 87% of 6 (t)


@dataclass(frozen=True)
class Served:
    """What is published: by how many listeners it was measured, and by how many its two stages; 0 where it has none."""

    version: str
    listeners: int
    tried: int = 0


def unmeasured(served: Served | None, listeners: int) -> str | None:
    """Why a candidate that so many listeners measure may not replace what is `served`; None where it may."""
    if served is None or served.listeners < LEAST_LISTENERS or listeners >= LEAST_LISTENERS:
        return None
    found = f"Measured on {listeners:,} listeners, wanted {LEAST_LISTENERS} or more to replace {served.version}"
    return f"{found}, which was measured on {served.listeners:,}."


def untried(served: Served | None, listeners: int, passed: bool) -> str | None:
    """Why a candidate that would lose two stages, by a trial of so many listeners, may not replace what is `served`."""
    if served is None or served.tried < LEAST_LISTENERS or listeners >= LEAST_LISTENERS or passed:
        return None
    found = f"Two stages tried on {listeners:,} listeners, wanted {LEAST_LISTENERS} or more to give up"
    return f"{found} those of {served.version}, which were tried on {served.tried:,}."


@dataclass(frozen=True)
class Verdict:
    """`reasons` are sentences with the numbers in them; the intervals are of candidate minus the other."""

    passed: bool
    reasons: tuple[str, ...]
    against_popularity: Interval
    against_published: Interval | None


def judge(candidate: Floats, published: Floats | None, popularity: Floats) -> Verdict:
    """Compare NDCG@20 [listeners] on the same test listeners, in the same order.

    Refuses where the paired 95% interval of candidate - published lies below zero, or where the candidate's mean is
    below popularity's. Raises ValueError for no listener, or where the arrays differ in length.
    """
    beside_popularity = paired(candidate, popularity)
    beside_published = None if published is None else paired(candidate, published)
    loses = beside_popularity.mean < 0
    reasons = [_against_popularity(candidate, popularity, beside_popularity)]
    if published is None or beside_published is None:
        reasons.append("Nothing is published yet, so there is nothing else to compare with.")
    else:
        loses |= beside_published.high < 0
        reasons.append(_against_published(published, beside_published))
    return Verdict(not loses, tuple(reasons), beside_popularity, beside_published)


def _against_popularity(candidate: Floats, popularity: Floats, found: Interval) -> str:
    means = (
        f"{METRIC} on {len(candidate):,} listeners is {candidate.mean():.4f}; popularity has {popularity.mean():.4f}"
    )
    return f"{means} ({_difference(found)}): {'worse than popularity' if found.mean < 0 else 'not worse'}."


def _against_published(published: Floats, found: Interval) -> str:
    verdict = "the whole interval is below zero" if found.high < 0 else "no loss beyond chance"
    return f"The published configuration has {published.mean():.4f} ({_difference(found)}): {verdict}."


def _difference(found: Interval) -> str:
    return f"difference {found.mean:+.4f}, 95% interval {found.low:+.4f} to {found.high:+.4f}"
