"""What one trial of a search fits and measures: settings of a learner, or the scales and weights of a blend."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import optuna
from threadpoolctl import threadpool_limits

from backbeat.learning import as_parameters
from models.base import Interactions, Model
from models.blend import Blend, BlendConfig
from models.evaluation.blending import reweighted
from models.evaluation.datasets import Dataset
from models.evaluation.run import Contestant, evaluate
from models.evaluation.splits import Split
from models.learners import Learner, learner
from models.progress import Checkpoint, Progress
from models.search_space import OneOf, Range, Where

SECONDS, CUT_OFF = "seconds", "cut off"  # attributes of a trial: how long it worked, and that it was ended
AS_GIVEN, WEIGHED = "as given", "weighed"  # the recipe, measured with nothing proposed; what was measured
FLOORS = Range(1e-5, 0.1, log=True)
SCALES = ("parts", "ranks", "standard")


class OutOfTime(Exception):
    """The minutes of the search are spent."""


class Clock(Progress):
    """The time that a trial has left. A fit that tells its steps is ended between two of them, all else by a signal.

    What calls back from compiled code, as JAX does while such fits compile, may lose what a signal raises, or crash.
    """

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def keep(self, _checkpoint: Checkpoint) -> None:
        """Raises `OutOfTime` after a step with which the time is over."""
        self.left()

    def fitted(self, known: Learner, interactions: Interactions, settings: Any) -> Model:
        """The learner's model. Raises `OutOfTime`, and what its fit raises."""
        if known.tells_steps:
            return known.fitted(interactions, settings, self)
        with self.running():
            return known.fitted(interactions, settings)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Raises `OutOfTime` in the block when the time is over, or as soon after as compiled code returns."""

        def over(*_: object) -> None:
            raise OutOfTime

        left, before = self.left(), signal.signal(signal.SIGALRM, over)
        try:
            signal.setitimer(signal.ITIMER_REAL, left)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def left(self) -> float:
        """Seconds. Raises `OutOfTime` where there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return left


class Sought(Protocol):
    """What is looked for: where, what is tried first, and how a trial becomes a model and settings."""

    @property
    def name(self) -> str:
        """The learner's."""

    @property
    def where(self) -> Mapping[str, Where]:
        """Where each thing that a trial proposes lies."""

    @property
    def first(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The first trials: what they propose, and their attributes."""

    @property
    def fixed(self) -> Any:
        """What all trials have in common, as JSON has it."""

    def fitted(self, trial: optuna.Trial, proposed: Mapping[str, Any], clock: Clock) -> Model:
        """The trial's model of the validation split's training side. Raises ValueError where that cannot be.

        Raises `OutOfTime` when the clock's time is over.
        """

    def settings(self, trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
        """The settings that a finished trial stands for, as a recipe has them."""


@dataclass(frozen=True)
class SettingsSought:
    """The settings of a learner that declares where they lie; `base` are those that it runs with otherwise."""

    learner: Learner
    where: Mapping[str, Where]
    base: Mapping[str, Any]
    split: Split

    @property
    def name(self) -> str:
        return self.learner.name

    @property
    def first(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        return [({name: self.base[name] for name in self.where}, {})]

    @property
    def fixed(self) -> Any:
        return {name: value for name, value in self.base.items() if name not in self.where}

    def fitted(self, _trial: optuna.Trial, proposed: Mapping[str, Any], clock: Clock) -> Model:
        return clock.fitted(self.learner, self.split.train, self.learner.settings({**self.base, **proposed}))

    def settings(self, trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
        return {**self.base, **trial.params}


@dataclass(frozen=True)
class BlendSought:
    """The scale of each member, the floor of the logarithms, and the weights, which are fitted to what these make.

    The members are fitted once, with settings of their own. `weighed` says that the weights of `base` mean something:
    they are then the first that is tried.
    """

    base: BlendConfig
    weighed: bool
    split: Split
    name: str = "blend"
    _members_so_far: list[Model] = field(default_factory=list, init=False)

    @property
    def where(self) -> Mapping[str, Where]:
        scales = {
            key: OneOf(tuple(dict.fromkeys([*SCALES, member.scale])))
            for key, member in zip(self._keys, self.base.members, strict=True)
        }
        return {"floor": FLOORS, **scales}

    @property
    def first(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        own: dict[str, Any] = {key: member.scale for key, member in zip(self._keys, self.base.members, strict=True)}
        scales: list[dict[str, Any]] = [own, *(dict.fromkeys(self._keys, scale) for scale in SCALES)]
        told = json.dumps(as_parameters(self.base), sort_keys=True)
        given: list[tuple[dict[str, Any], dict[str, Any]]] = [({}, {AS_GIVEN: told})] if self.weighed else []
        return given + [({"floor": self.base.floor, **each}, {}) for each in scales]

    @property
    def fixed(self) -> Any:
        return [[member.learner, dict(member.settings)] for member in self.base.members]

    def fitted(self, trial: optuna.Trial, proposed: Mapping[str, Any], clock: Clock) -> Model:
        members, found = self._members(clock), self.base
        if AS_GIVEN not in trial.user_attrs:
            scaled = tuple(
                replace(member, scale=proposed[key], log=0.0, share=1.0)
                for key, member in zip(self._keys, self.base.members, strict=True)
            )
            config = replace(self.base, members=scaled, floor=proposed["floor"])
            with clock.running():
                found = reweighted(self.split, Blend(config, members))
        trial.set_user_attr(WEIGHED, as_parameters(found))
        return Blend(found, members)

    def settings(self, trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
        return dict(trial.user_attrs[WEIGHED])

    def _members(self, clock: Clock) -> tuple[Model, ...]:
        """Each fitted at its first use: what trials differ in does not change them."""
        for member in self.base.members[len(self._members_so_far) :]:
            known = learner(member.learner)
            self._members_so_far.append(clock.fitted(known, self.split.train, known.settings(member.settings)))
        return tuple(self._members_so_far)

    @property
    def _keys(self) -> list[str]:
        return [f"scale {place} {member.learner}" for place, member in enumerate(self.base.members, 1)]


@dataclass(frozen=True)
class Hunt:
    """What is sought, and what each trial is measured on: the data set's metric on its validation split."""

    sought: Sought
    dataset: Dataset

    def score(self, trial: optuna.Trial, seconds: float) -> float:
        """The metric of one trial. Raises `OutOfTime` where that takes more than `seconds`."""
        where = {} if AS_GIVEN in trial.user_attrs else self.sought.where
        proposed = {name: _suggested(trial, name, each) for name, each in where.items()}
        began, clock = time.monotonic(), Clock(seconds)
        try:
            with threadpool_limits(1, "blas"):
                model = self.sought.fitted(trial, proposed, clock)
                with clock.running():
                    return self._measured(model)
        except OutOfTime:
            trial.set_user_attr(CUT_OFF, value=True)
            raise
        finally:
            trial.set_user_attr(SECONDS, time.monotonic() - began)

    def _measured(self, model: Model) -> float:
        asked = [Contestant(model, fresh=True, uses="")]
        (outcome,) = evaluate(asked, self.dataset.validation, self.dataset.k).outcomes
        return float(outcome.sums[self.dataset.metric].sum() / outcome.cases.sum())


def _suggested(trial: optuna.Trial, name: str, where: Where) -> Any:
    if not isinstance(where, Range):
        return trial.suggest_categorical(name, where.values)
    if where.whole:
        return trial.suggest_int(name, int(where.low), int(where.high), log=where.log)
    return trial.suggest_float(name, where.low, where.high, log=where.log)
