"""Learners beside each other on a data set: each fitted on every fold, and the folds' listeners measured as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from models.base import Positions
from models.evaluation.datasets import Dataset
from models.evaluation.run import Contestant, Evaluation, Outcome, evaluate
from models.evaluation.splits import Cases, Split
from models.learners import learner

USES = "training data, and each case"

Notify = Callable[[str], None]


def compared(
    dataset: Dataset, settings: Mapping[str, Any], k: int, told: Notify, *, leaves_out: bool = False
) -> Evaluation:
    """Fit and measure each learner, by its settings, on all folds; the first is what the others are compared with.

    Raises ValueError where a learner cannot be fitted on such data; where it `leaves_out` those, they are told of and
    not measured. `told` hears what is being fitted.
    """
    fits = dict(settings)  # whoever is left out of a fold is not asked in a later one
    folds = [evaluate(_fitted(fold, fits, told, leaves_out=leaves_out), fold, k) for fold in dataset.folds]
    return folds[0] if len(folds) == 1 else merged(folds, dataset.protocol)


def _fitted(fold: Split, settings: dict[str, Any], told: Notify, *, leaves_out: bool) -> Iterator[Contestant]:
    """What was fitted; a learner that is left out leaves the settings."""
    for name, chosen in list(settings.items()):
        told(f"fitting {name}: {fold.boundary}")
        try:
            model = learner(name).fitted(fold.train, chosen)
        except ValueError as error:
            if not leaves_out:
                raise
            told(f"leaving {name} out: {error}")
            del settings[name]
            continue
        yield Contestant(model, fresh=True, uses=USES, name=name)


def merged(folds: Sequence[Evaluation], boundary: str) -> Evaluation:
    """The folds as one evaluation over all their listeners; how lists spread is the mean over folds.

    What each fold trained on differs: the merged split keeps the first one's.
    """
    splits = [fold.split for fold in folds]
    split = Split(
        splits[0].name,
        boundary,
        splits[0].known,
        splits[0].train,
        _merged_cases([split.cases for split in splits], [len(split.activity) for split in splits]),
        np.concatenate([split.activity for split in splits]),
        splits[0].new_only,
    )
    names = [outcome.name for outcome in folds[-1].outcomes]  # whoever was left out is not in the last
    return Evaluation(split, folds[0].k, tuple(_merged_outcome([fold.of(name) for fold in folds]) for name in names))


def _merged_cases(parts: Sequence[Cases], listeners: Sequence[int]) -> Cases:
    relevant = np.concatenate([part.relevant for part in parts])
    return Cases(
        np.concatenate([part.listener + start for part, start in zip(parts, _starts(listeners), strict=True)]),
        np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part.starts) for part in parts]))]),
        relevant,
        tuple(taste for part in parts for taste in part.trained),
        tuple(taste for part in parts for taste in part.fresh),
    )


def _starts(sizes: Sequence[int]) -> Positions:
    return np.cumsum([0, *sizes])[:-1]


def _merged_outcome(parts: Sequence[Outcome]) -> Outcome:
    cases = np.array([len(part.lists) for part in parts])
    return Outcome(
        parts[0].name,
        parts[0].uses,
        {metric: np.concatenate([part.sums[metric] for part in parts]) for metric in parts[0].sums},
        np.concatenate([part.cases for part in parts]),
        {name: float(np.mean([part.spread[name] for part in parts])) for name in parts[0].spread},
        np.concatenate([part.lists for part in parts]),
        float(np.average([part.answered for part in parts], weights=cases)),
        sum(part.seconds for part in parts),
    )
