"""Is the service listening to itself? What listeners find by themselves beside what they play because it was shown.

Recommendations learned from plays of recommendations may narrow what is heard and make listeners alike (Chaney, Stewart
and Engelhardt, "How Algorithmic Confounding in Recommendation Systems Increases Homogeneity and Decreases Utility",
RecSys 2018). The report shows it by week; it cannot say what would have been without the service.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from models.base import Floats, Positions
from models.evaluation.metrics import gini, popularity_percentile

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Plays:
    """Counted plays [plays]: listener and track by position, week by number, and whether each was recommended."""

    listeners: Positions
    tracks: Positions
    weeks: Positions
    recommended: Flags

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.listeners, self.tracks, self.weeks, self.recommended)}
        if lengths == {0} or len(lengths) != 1:
            raise ValueError(f"plays with columns of {sorted(lengths)} rows; wanted as many of each, one at least")

    def where(self, chosen: Flags) -> tuple[Positions, Positions]:
        """Listeners and tracks of some of them."""
        return self.listeners[chosen], self.tracks[chosen]


@dataclass(frozen=True)
class Spread:
    """How some plays spread over the tracks of the week, organic or not.

    `gini` is 0 where all are played alike, towards 1 where one is played alone; `entropy_bits` is Shannon's, and two to
    its power is `effective_tracks`; `coverage` is the share of the week's tracks among them; `overlap` is the mean over
    all pairs of listeners of the tracks that both played, over the geometric mean of how many each did, None for one
    listener; `popularity` is the mean share of tracks that had been played less before, ties by half, of those
    played by the end of the week; None in the first week.
    """

    plays: int
    listeners: int
    tracks: int
    gini: float
    entropy_bits: float
    effective_tracks: float
    coverage: float
    overlap: float | None
    popularity: float | None


@dataclass(frozen=True)
class Week:
    """One week; `drift_bits` is how far its plays are from the week's before, 0 to 1: `divergence_bits`."""

    week: int
    recommended_share: float
    organic: Spread | None
    recommended: Spread | None
    everything: Spread
    drift_bits: float | None


@dataclass(frozen=True)
class FeedbackReport:
    """The weeks that have plays, oldest first."""

    weeks: tuple[Week, ...]


def feedback(plays: Plays) -> FeedbackReport:
    """The report. Memory and time are linear in plays and tracks: no two listeners are ever compared."""
    catalog = int(plays.tracks.max()) + 1
    earlier = np.zeros(catalog)
    last: Floats | None = None
    weeks: list[Week] = []
    for week in np.unique(plays.weeks):
        now = plays.weeks == week
        counts = np.bincount(plays.tracks[now], minlength=catalog).astype(np.float64)
        percentile = _percentile_by_then(earlier, counts) if weeks else None
        heard = int((counts > 0).sum())
        organic, recommended, everything = (
            _spread(*plays.where(chosen), heard, percentile)
            for chosen in (now & ~plays.recommended, now & plays.recommended, now)
        )
        assert everything is not None, "a week of np.unique has plays"  # noqa: S101 (told to mypy)
        drift = None if last is None else divergence_bits(counts, last)
        weeks.append(Week(int(week), float(plays.recommended[now].mean()), organic, recommended, everything, drift))
        earlier, last = earlier + counts, counts
    return FeedbackReport(tuple(weeks))


def _percentile_by_then(earlier: Floats, counts: Floats) -> Floats:
    """The percentile by the plays of `earlier` weeks [tracks], of the tracks that are played by now."""
    known = earlier + counts > 0
    percentile = np.zeros(len(earlier))
    percentile[known] = popularity_percentile(earlier[known])
    return percentile


def _spread(listeners: Positions, tracks: Positions, heard: int, percentile: Floats | None) -> Spread | None:
    """Of some of a week's plays; `heard` tracks were played in that week at all."""
    if not len(tracks):
        return None
    counts = np.bincount(tracks).astype(np.float64)
    played = counts[counts > 0]
    bits = entropy_bits(played)
    return Spread(
        plays=len(tracks),
        listeners=len(np.unique(listeners)),
        tracks=len(played),
        gini=gini(np.concatenate([played, np.zeros(heard - len(played))])),
        entropy_bits=bits,
        effective_tracks=2.0**bits,
        coverage=len(played) / heard,
        overlap=mean_overlap(listeners, tracks),
        popularity=None if percentile is None else float(percentile[tracks].mean()),
    )


def entropy_bits(counts: Floats) -> float:
    """Shannon's entropy of where one play goes, in bits."""
    played = counts[counts > 0]
    shares = played / played.sum()  # of these alone: zeros between them would change the order of summation
    return float(-(shares * np.log2(shares)).sum())


def mean_overlap(listeners: Positions, tracks: Positions) -> float | None:
    """The mean over pairs of listeners of |both| / sqrt(|one| |other|), their sets of tracks; None for one listener.

    It is exact, and takes a pass over the plays: listeners are vectors of length 1, and the inner products of all pairs
    sum to the square of their sum, less what each has with itself.
    """
    rows, columns = np.unique(listeners, return_inverse=True)[1], np.unique(tracks, return_inverse=True)[1]
    count = int(rows.max()) + 1
    if count < 2:
        return None
    played = csr_array((np.ones(len(rows)), (rows, columns)))
    played.sum_duplicates()
    played.data[:] = 1.0
    lengths = np.sqrt(np.diff(played.indptr))
    total = np.asarray(played.T @ (1.0 / lengths), np.float64)
    return max(0.0, float(total @ total) - count) / (count * (count - 1))


def divergence_bits(counts: Floats, others: Floats) -> float:
    """Jensen and Shannon's divergence of two distributions as counts [tracks]: 0 for equal, 1 for disjoint ones."""
    one, other = counts / counts.sum(), others / others.sum()
    both = entropy_bits((one + other) / 2)
    return max(0.0, both - (entropy_bits(one) + entropy_bits(other)) / 2)
