"""Models beside each other on the same cases, with intervals, segments and differences."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import NOBODY, Floats, Model, Positions, Taste
from models.evaluation.bootstrap import Interval, intervals, paired
from models.evaluation.metrics import accuracy, spread
from models.evaluation.splits import Cases, Split, per_listener
from models.popularity import Popularity, fit_popularity

K = 20
SEGMENTS = (
    ("cold: no play", 0, 0),
    ("light: 1 to 9", 1, 9),
    ("regular: 10 to 49", 10, 49),
    ("heavy: 50 and more", 50, None),
)


@dataclass(frozen=True)
class Contestant:
    """A model, and whether it is told the session so far (`fresh`) or answers from the training data alone.

    `name` is what it is called beside others where its own name is not enough.
    """

    model: Model
    fresh: bool
    uses: str
    name: str = ""


@dataclass(frozen=True)
class Outcome:
    """One model's figures. `sums` are by metric and listener [listeners], over `cases` [listeners].

    `answered` is the share of cases that it had something to say to; popularity answered the others. `seconds` is what
    it took, from the model before it on.
    """

    name: str
    uses: str
    sums: Mapping[str, Floats]
    cases: Floats
    spread: Mapping[str, float]
    lists: Positions
    answered: float
    seconds: float = 0.0

    def means(self, chosen: npt.NDArray[np.bool_] | slice = slice(None)) -> dict[str, Interval]:
        """The mean of each metric over all cases of those listeners, and its interval over listeners."""
        values = np.stack([sums[chosen] for sums in self.sums.values()])
        return dict(zip(self.sums, intervals(values, self.cases[chosen]), strict=True))

    def by_listener(self, metric: str, chosen: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Each listener's own mean [listeners], of those chosen: what the gate compares."""
        values = self.sums[metric] / self.cases
        return values if chosen is None else values[chosen]


@dataclass(frozen=True)
class Evaluation:
    """All models on one split."""

    split: Split
    k: int
    outcomes: tuple[Outcome, ...]

    def of(self, name: str) -> Outcome:
        """The outcome of that model. Raises KeyError."""
        return {outcome.name: outcome for outcome in self.outcomes}[name]

    @property
    def warm(self) -> npt.NDArray[np.bool_]:
        """Which listeners [listeners] have a play in the training data."""
        return self.split.activity > 0

    def document(self) -> dict[str, Any]:
        """All figures, as JSON has them."""
        return {
            "split": self.split.name,
            "boundary": self.split.boundary,
            "k": self.k,
            "listeners": len(self.split.activity),
            "warm_listeners": int(self.warm.sum()),
            "steps": len(self.split.cases),
            "tracks": self.split.known,
            "models": {outcome.name: self._figures(outcome) for outcome in self.outcomes},
        }

    def _figures(self, outcome: Outcome) -> dict[str, Any]:
        ndcg = f"ndcg@{self.k}"
        against = paired(outcome.sums[ndcg], self.outcomes[0].sums[ndcg], outcome.cases)
        return {
            **_told(outcome.means()),
            **outcome.spread,
            "answered": outcome.answered,
            "uses": outcome.uses,
            f"{ndcg} minus {self.outcomes[0].name}": asdict(against),
            "segments": {
                name: {"listeners": int(chosen.sum()), **_told(outcome.means(chosen))}
                for name, chosen in self._segments()
            },
        }

    def _segments(self) -> Iterable[tuple[str, npt.NDArray[np.bool_]]]:
        plays = self.split.activity
        for name, low, high in SEGMENTS:
            chosen = (plays >= low) & (plays <= (plays.max() if high is None else high))
            if chosen.any():
                yield name, chosen


def _told(means: Mapping[str, Interval]) -> dict[str, Any]:
    return {
        **{metric: found.mean for metric, found in means.items()},
        "intervals": {metric: [found.low, found.high] for metric, found in means.items()},
    }


def evaluate(contestants: Iterable[Contestant], split: Split, k: int = K) -> Evaluation:
    """Ask each for its lists and measure them; the first is what the others are compared with.

    Where a model has nothing to say to a listener, popularity answers in its place, as it does in serving.
    """
    return Evaluation(split, k, tuple(_outcomes(contestants, split, k)))


def _outcomes(contestants: Iterable[Contestant], split: Split, k: int) -> Iterator[Outcome]:
    fallback, began = fit_popularity(split.train), time.monotonic()
    for contestant in contestants:  # which may be fitted only now
        outcome = _outcome(contestant, split, fallback, k)
        ended = time.monotonic()
        yield replace(outcome, seconds=ended - began)
        began = ended


def _outcome(contestant: Contestant, split: Split, fallback: Popularity, k: int) -> Outcome:
    cases: Cases = split.cases
    tastes = cases.fresh if contestant.fresh else cases.trained
    lists = _lists(contestant.model, tastes, split, k)
    silent = lists[:, 0] == NOBODY
    for case in np.flatnonzero(silent):
        popular = fallback.best_but(k, split.barred(tastes[case]))
        lists[case, : len(popular)] = popular
    sums = {metric: per_listener(cases, values) for metric, values in accuracy(lists, cases, k).items()}
    counts = per_listener(cases, np.ones(len(cases)))
    spreads = spread(lists, split.train.popularity)
    name = contestant.name or contestant.model.name
    return Outcome(name, contestant.uses, sums, counts, spreads, lists, float(1 - silent.mean()))


def _lists(model: Model, tastes: Sequence[Taste], split: Split, k: int) -> Positions:
    if split.candidates is None:
        return model.recommend_many(tastes, k, new_only=split.new_only)
    lists = np.full((len(tastes), k), NOBODY, np.int64)
    for row, taste in zip(lists, tastes, strict=True):
        items = model.recommend(taste, k, split.barred(taste)).items
        row[: len(items)] = items
    return lists
