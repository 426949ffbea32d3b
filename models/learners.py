"""Every learner by its name, and what a caller must know to fit it: `backbeat train`, `search` and `evaluate` go by it.

A learner is a frozen dataclass of settings, each with a default, and a function of interactions and settings; its
module is imported when it is asked for, so that naming one costs nothing.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, get_type_hints

import msgspec
import numpy as np

from models.base import Interactions, Model
from models.progress import UNHEARD, Progress

SEEDS = 2**31  # so many are known to all of numpy, JAX, LightGBM and `implicit`


class UnknownLearner(ValueError):
    """No learner has that name; says which there are."""


class SettingsWrong(ValueError):
    """Settings that the learner does not have, or that are out of range; says what was found and what was wanted."""


@dataclass(frozen=True)
class NothingToSet:
    """The settings of a learner that has none."""


@dataclass(frozen=True)
class Learner:
    """`fit` and `config` name a function and a dataclass, as `module:name`; some have nothing to set."""

    name: str
    fit: str
    config: str = "models.learners:NothingToSet"

    @property
    def config_type(self) -> Any:
        """The dataclass of its settings."""
        return resolve_name(self.config)

    @property
    def model_type(self) -> type[Model]:
        """The class of its models, to load them by: what its fit says that it returns."""
        kind: type[Model] = get_type_hints(resolve_name(self.fit))["return"]
        return kind

    @property
    def tells_steps(self) -> bool:
        """Whether its fit has a parameter `progress`, which it tells each step that it takes."""
        return "progress" in inspect.signature(resolve_name(self.fit)).parameters

    def settings(self, given: Mapping[str, Any] | None = None, seed: int | None = None) -> Any:
        """The settings: the defaults, with those given in their place; the seed where the learner has one.

        Raises `SettingsWrong`.
        """
        kind = self.config_type
        known = {field.name for field in dataclasses.fields(kind)}
        if unknown := sorted(set(given or {}) - known):
            raise SettingsWrong(
                f"{self.name} with {', '.join(unknown)}; it has {', '.join(sorted(known)) or 'no settings'}"
            )
        told = {**(given or {}), **({} if seed is None else {"seed": seed})}
        if isinstance(asked := told.get("seed"), int) and not 0 <= asked < SEEDS:
            raise SettingsWrong(f"{self.name}: found seed {asked}; wanted a whole number from 0 to {SEEDS - 1}")
        try:
            return msgspec.convert({name: value for name, value in told.items() if name in known}, kind)
        except ValueError as error:
            raise SettingsWrong(f"{self.name}: {error}") from error

    def fitted(self, interactions: Interactions, settings: Any, progress: Progress = UNHEARD) -> Model:
        """The model. Raises ValueError where the interactions lack what the learner reads, with what it wants.

        A fit that has a parameter `progress` tells its curves there, and goes on from what it has kept there.
        """
        refuse_nan(interactions)
        told = () if isinstance(settings, NothingToSet) else (settings,)
        offered = {"progress": progress} if self.tells_steps else {}
        model: Model = resolve_name(self.fit)(interactions, *told, **offered)
        return model


def refuse_nan(interactions: Interactions) -> None:
    """Raises ValueError where a weight, a count or a time is no number, and says of how many values that is so."""
    sequences = interactions.sequences
    parts = {
        "weights": interactions.weights.data,
        "transitions": interactions.transitions.data,
        "popularity": interactions.popularity,
        "times": sequences.started_s if sequences else np.empty(0),
    }
    for name, values in parts.items():
        if bad := int((~np.isfinite(values)).sum()):
            raise ValueError(f"{name} with {bad:,} of {len(values):,} NaN or infinite; wanted numbers")


LEARNERS: Mapping[str, Learner] = {
    learner.name: learner
    for learner in (
        Learner("popularity", "models.popularity:fit_popularity"),
        Learner("repeat", "models.repeat:fit_repeat"),
        Learner("transitions", "models.transitions:fit_transitions", "models.transitions:TransitionsConfig"),
        Learner("als", "models.als_training:fit_als", "models.als:AlsConfig"),
        Learner("sasrec", "models.sasrec_training:fit_sasrec", "models.sasrec:SasrecConfig"),
        Learner("slist", "models.slist:fit_slist", "models.slist:SlistConfig"),
        Learner("item2vec", "models.item2vec_training:fit_item2vec", "models.item2vec:Item2vecConfig"),
        Learner("markov", "models.markov:fit_markov", "models.markov:MarkovConfig"),
        Learner("vsknn", "models.vsknn:fit_vsknn", "models.vsknn:VsKnnConfig"),
        Learner("stan", "models.stan:fit_stan", "models.stan:StanConfig"),
        Learner("actr", "models.actr:fit_actr", "models.actr:ActRConfig"),
        Learner("blend", "models.blend:fit_blend", "models.blend:BlendConfig"),
        Learner("stacked", "models.stacked_training:fit_stacked", "models.stacked:StackedConfig"),
        Learner("content", "models.content:fit_content", "models.content:ContentConfig"),
        Learner("als-content", "models.content:fit_als_content", "models.content:AlsContentConfig"),
        Learner("two-stage", "models.ranking.training:fit_two_stage", "models.ranking.two_stage:TwoStageConfig"),
        Learner("ease", "models.ease:fit_ease", "models.ease:EaseConfig"),
        Learner("sparse-ease", "models.sparse_ease:fit_sparse_ease", "models.sparse_ease:SparseEaseConfig"),
        Learner("item-knn", "models.item_knn:fit_item_knn", "models.item_knn:ItemKnnConfig"),
        Learner("gf-cf", "models.graph_filter:fit_graph_filter", "models.graph_filter:GraphFilterConfig"),
        Learner("bspm", "models.bspm:fit_bspm", "models.bspm:BspmConfig"),
    )
}


def learner(name: str) -> Learner:
    """The learner of that name. Raises `UnknownLearner`."""
    try:
        return LEARNERS[name]
    except KeyError:
        raise UnknownLearner(f"no learner {name}; there are {', '.join(sorted(LEARNERS))}") from None
