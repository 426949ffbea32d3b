"""What is asked of experiments: the sizes of arms, how they differ day by day, and what another policy would earn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base import Floats, Positions
from models.experiments.assignment import Experiment
from models.experiments.cuped import cuped
from models.experiments.off_policy import (
    Estimate,
    Predicted,
    Rounds,
    direct_method,
    doubly_robust,
    expected,
    inverse_propensity,
    self_normalised,
)
from models.experiments.ratio import RatioCheck, sequential
from models.experiments.reward_model import cross_fitted
from models.experiments.sequential import ALPHA, ConfidenceSequence, Moments, confidence_sequence

FEWEST_PLANNED = 2  # of two arms one each


@dataclass(frozen=True)
class Compared:
    """A treatment beside the control, the first arm, at each day on which a listener's time was over."""

    arm: str
    listeners: tuple[int, int]  # of control and treatment, at the last look
    means: tuple[float, float]
    sequence: ConfidenceSequence


@dataclass(frozen=True)
class Comparison:
    """All treatments; `kept` is the share of variance that CUPED left, 1 where it was not asked for."""

    days: Positions
    compared: tuple[Compared, ...]
    kept: float


def arm_numbers(experiment: Experiment, arms: list[str | None]) -> Positions:
    """Each listener's arm by its place in the experiment [listeners], -1 for who takes no part."""
    place = {arm.name: number for number, arm in enumerate(experiment.arms)}
    return np.array([-1 if arm is None else place[arm] for arm in arms], np.int64)


def sizes_so_far(arms: Positions, days: Positions, count: int) -> Positions:
    """Listeners of each arm at the end of each day that has any [days that occur, arms]."""
    taking_part = arms >= 0
    looks = np.unique(days[taking_part], return_inverse=True)[1]
    a_day = np.bincount(looks * count + arms[taking_part], minlength=count * (int(looks.max(initial=-1)) + 1))
    return np.cumsum(a_day.reshape(-1, count), axis=0).astype(np.int64)


def checked_sizes(experiment: Experiment, arms: Positions, days: Positions) -> RatioCheck:
    """The sequential test of the arms' sizes, looked at on every day. Raises ValueError where nobody takes part."""
    looks = sizes_so_far(arms, days, len(experiment.arms))
    if not len(looks):
        raise ValueError(f"no listener of {experiment.name!r} was shown anything; wanted one at least")
    return sequential(looks, experiment.shares)


def compared(
    experiment: Experiment,
    arms: Positions,
    days: Positions,
    values: Floats,
    before: Floats | None,
    planned: int,
    alpha: float = ALPHA,
) -> Comparison:
    """Every treatment beside the first arm, over listeners in the order in which their time was over.

    `days` is when that was; `before` is the same metric before the exposure, or None to do without CUPED. `planned` is
    of all arms together, `FEWEST_PLANNED` at least. Each of several treatments has its part of alpha (Bonferroni).
    Raises ValueError where nobody takes part, or too few are planned.
    """
    if planned < FEWEST_PLANNED:
        raise ValueError(f"{planned} listeners planned; wanted {FEWEST_PLANNED} at least, of all arms together")
    chosen = arms >= 0
    if not chosen.any():
        raise ValueError(f"no listener of {experiment.name!r} has come to the end of the time asked for; wanted some")
    adjusted = cuped(values[chosen], before[chosen]) if before is not None else None
    told, arms = values[chosen] if adjusted is None else adjusted.values, arms[chosen]
    looks = sizes_so_far(arms, days[chosen], len(experiment.arms))
    moments = [Moments.of(told[arms == number], looks[:, number]) for number in range(len(experiment.arms))]
    parts, share = experiment.shares, alpha / (len(moments) - 1)
    treatments = tuple(
        Compared(
            arm.name,
            (int(moments[0].count[-1]), int(moment.count[-1])),
            (float(moments[0].mean[-1]), float(moment.mean[-1])),
            confidence_sequence(moments[0], moment, max(1, round(planned * parts[[0, number]].sum())), share),
        )
        for number, (arm, moment) in enumerate(zip(experiment.arms[1:], moments[1:], strict=True), 1)
    )
    return Comparison(np.unique(days[chosen]), treatments, 1.0 if adjusted is None else adjusted.kept)


@dataclass(frozen=True)
class Choices:
    """What a policy might show, one row a track that it might put into a slot of the log [choices].

    `of` is the round by position, `tracks` are positions too, `chances` the policy's.
    """

    of: Positions
    tracks: Positions
    slots: Positions
    chances: Floats


def estimates(
    log: Rounds, tracks: Positions, slots: Positions, choices: Choices, clip: float | None = None
) -> dict[str, Estimate]:
    """A policy's mean reward, four ways, from the log and the tracks and slots that it was of [rounds].

    What the direct method and the doubly robust one know of rewards is cross-fitted over `log.units`. Raises ValueError
    where the log is of one unit, or a round has no choice.
    """
    catalog = int(max(tracks.max(), choices.tracks.max(initial=0))) + 1
    model = cross_fitted(tracks, slots, log.rewards, log.units, catalog)
    worth = model.predict(choices.tracks, choices.slots, log.units[choices.of])
    target = expected(len(tracks), choices.of, choices.chances, worth)
    predicted = Predicted(model.predict(tracks, slots, log.units), target)
    return {
        "ips": inverse_propensity(log, clip),
        "snips": self_normalised(log, clip),
        "direct method": direct_method(log, predicted),
        "doubly robust": doubly_robust(log, predicted, clip),
    }
