"""The weights of a blend, fitted on validation cases as a listener's choice among what its members put forward.

For each case the candidates are the best of each member. With x the features of a candidate (for each member the
logarithm and the plain share, or its standard score, and whether it was heard in the session so far), the probability
that it is the one is exp(w x) / sum over candidates of exp(w x): McFadden's conditional logit, fitted by maximum
likelihood with a ridge over features of deviation 1, so that small shares are not held to be small reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from models.base import Floats, Positions, Scores, Taste
from models.blend import Blend, BlendConfig, Member
from models.evaluation.splits import Split
from models.scoring import best_of_each

CASES_AT_MOST, PER_MEMBER, RIDGE, SAMPLE_SEED = 6_000, 100, 1.0, 23
ROUNDING = 1e-5  # a feature whose deviation is below this share of its largest value is constant
_CELLS_AT_ONCE = 1 << 22


class NothingToFit(Exception):
    """No case of the split has a right answer among its candidates; says of how many."""


@dataclass(frozen=True)
class Choices:
    """Candidates of all cases: `features` [candidates, weights], the `case` of each, ascending, and which are right."""

    features: Scores
    case: Positions
    right: npt.NDArray[np.bool_]

    def decided(self) -> Choices:
        """Those of cases with a right answer among them, cases numbered anew."""
        there = np.unique(self.case[self.right])
        kept = np.isin(self.case, there)
        return Choices(self.features[kept], np.searchsorted(there, self.case[kept]), self.right[kept])


def reweighted(split: Split, blend: Blend) -> BlendConfig:
    """The config of a blend that is fitted on the split's train, with weights that suit its cases best.

    Raises `NothingToFit`.
    """
    found = choices(split, blend).decided()
    if not found.right.any():
        raise NothingToFit(f"blending on {len(split.cases)} cases: none has a right answer among its candidates")
    *pairs, heard = (_rounded(weight) for weight in fitted_weights(found))
    members = tuple(
        replace(member, log=log, share=share)
        for member, log, share in zip(blend.config.members, pairs[::2], pairs[1::2], strict=True)
    )
    return replace(blend.config, members=members, heard=heard)


def choices(split: Split, blend: Blend) -> Choices:
    """What the members put forward for the cases of the split, or for a sample of them."""
    cases = split.cases
    chosen = np.arange(len(cases))
    if len(chosen) > CASES_AT_MOST:
        chosen = np.sort(np.random.default_rng(SAMPLE_SEED).choice(chosen, CASES_AT_MOST, replace=False))
    at_once = max(1, _CELLS_AT_ONCE // blend.tracks)
    parts = []
    for start in range(0, len(chosen), at_once):
        asked = chosen[start : start + at_once]
        tastes = [cases.fresh[case] for case in asked]
        row, items, features = _put_forward(blend, tastes, [split.barred(taste) for taste in tastes])
        right = np.empty(len(items), bool)
        for place, case in enumerate(asked):
            right[row == place] = np.isin(items[row == place], cases.answers(case))
        parts.append(Choices(features, row + start, right))
    return Choices(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.case for part in parts]),
        np.concatenate([part.right for part in parts]),
    )


def fitted_weights(found: Choices) -> Floats:
    """The weights [weights] of the highest likelihood: none below 0 but the last, that of what was heard."""
    spread = found.features.std(axis=0)
    constant = spread <= ROUNDING * np.abs(found.features).max(axis=0)
    spread = np.where(constant, np.float32(1), spread)
    features = found.features / spread
    starts = np.searchsorted(found.case, np.arange(found.case[-1] + 1))
    wanted = features[found.right].sum(axis=0, dtype=np.float64)
    times = np.bincount(found.case[found.right], minlength=len(starts))

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = features @ weights.astype(np.float32)
        highest = np.maximum.reduceat(scores, starts)
        powers = np.exp(scores - highest[found.case]).astype(np.float64)
        totals = np.add.reduceat(powers, starts)
        expected = (powers * (times / totals)[found.case]).astype(np.float32) @ features
        surprise = times @ (highest + np.log(totals)) - wanted @ weights
        return surprise + RIDGE / 2 * weights @ weights, expected - wanted + RIDGE * weights

    weights = features.shape[1]
    bounds = [(0.0, None)] * (weights - 1) + [(None, None)]
    best: Floats = minimize(loss, np.zeros(weights), jac=True, method="L-BFGS-B", bounds=bounds).x
    return best / spread


def _put_forward(
    blend: Blend, tastes: Sequence[Taste], barred: Sequence[Positions | None]
) -> tuple[Positions, Positions, Scores]:
    """The best of each member for each taste, none that is barred: the place of the taste, the track, the features."""
    shares = list(blend.shares_of(tastes))
    heard, free = np.zeros(shares[0].shape, bool), np.ones(shares[0].shape, bool)
    for place, (taste, out) in enumerate(zip(tastes, barred, strict=True)):
        heard[place, taste.recent.in_session] = True
        if out is not None:
            free[place, out] = False
    wanted = np.zeros(free.shape, bool)
    for one in shares:
        best = best_of_each(np.where(free & (one > 0), one, np.float32(-np.inf)), PER_MEMBER)
        rows, columns = np.nonzero(best >= 0)
        wanted[rows, best[rows, columns]] = True
    row, items = np.nonzero(wanted)
    given = [one[row, items] for one in shares]
    told = zip(blend.config.members, given, strict=True)
    scaled = [values for member, one in told for values in (_logarithm(member, one, blend.config.floor), one)]
    return row, items, np.stack([*scaled, heard[row, items]], axis=1).astype(np.float32)


def _logarithm(member: Member, shares: Scores, floor: float) -> Scores:
    """What a member's `log` weighs; nothing where its scores have no logarithm."""
    return np.zeros_like(shares) if member.scale == "standard" else np.log1p(shares / floor)


def _rounded(weight: float) -> float:
    """To five digits, which people can read."""
    return float(f"{weight:.5g}")
