"""Fitting the two stages: one forest learns what is played next, one what a recommendation earns.

The first is LambdaMART (Burges 2010) over replayed moments, the second boosted trees that foretell whether a track that
is shown is played, over what was really shown, where that is enough; both on LightGBM. The same plays, settings and
seed give the same bytes. Interrupted, a fit goes on from the windows whose lists are done; the forests are grown anew,
since LightGBM draws other rows when it continues one.

What stands further down is looked at less, and being passed over there says less. The second forest therefore starts
from how often each slot was played, in log-odds, and learns what the track adds; it ranks as if all stood in one slot.
That takes slots for alike but for their place: answers are learned from only where chance had a part in each slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from models.base import Floats, Interactions
from models.progress import UNHEARD, Checkpoint, Progress
from models.ranking.counting import Plays, fit_corpus
from models.ranking.features import ALS_COLUMN, NAMES
from models.ranking.forest import Forest
from models.ranking.forest_training import TooLittleHistory, grown
from models.ranking.lists import Lists
from models.ranking.logged import Shown, logged
from models.ranking.pseudo import replayed, windows
from models.ranking.two_stage import TwoStage, TwoStageConfig

FEWEST = 20  # lists to learn from; with fewer a forest would learn chance
ENOUGH = 300  # answers from which a forest of its own is learned
SHOWN_TREES, SHOWN_LEAVES, SHOWN_RATE = 60, 6, 0.08  # small ones: answers are few, and most of a label is chance
_MOMENTS, _ANSWERS = "moments", "answers"
_PRIOR = 1.0  # plays, and passes, that each slot is taken to have had besides


@dataclass(frozen=True)
class Learned:
    """What forests learned from: `replayed` moments, and `logged` answers, 0 where there were too few of them."""

    replayed: int
    logged: int


def fit_two_stage(interactions: Interactions, config: TwoStageConfig, progress: Progress = UNHEARD) -> TwoStage:
    """Raises `TooLittleHistory`, and ValueError where the order of the plays is unknown."""
    return fit_plays(Plays.of(interactions), interactions.weights, config, progress=progress)[0]


def fit_plays(
    plays: Plays,
    weights: csr_array,
    config: TwoStageConfig,
    shown: Shown | None = None,
    *,
    progress: Progress = UNHEARD,
) -> tuple[TwoStage, Learned]:
    """The same of plays in order and the weights [listeners, tracks] that they have now, with what was shown.

    Raises `TooLittleHistory`.
    """
    tracks = int(weights.shape[1])
    if not len(plays.tracks):
        raise TooLittleHistory("two stages from no play; wanted some")
    told, seen = lessons(plays, tracks, config, Shown.nothing() if shown is None else shown, progress)
    if len(told) < FEWEST:
        found = f"{len(told)} of {told.asked} moments found what was played next among the candidates"
        raise TooLittleHistory(f"two stages: {found}; wanted {FEWEST}")
    enough = len(seen) >= ENOUGH
    model = TwoStage(
        config,
        fit_corpus(plays, weights, config.als),
        fit_forest(told, config, progress),
        fit_shown_forest(seen, config, progress) if enough else None,
    )
    return model, Learned(len(told), len(seen) if enough else 0)


def lessons(
    plays: Plays, tracks: int, config: TwoStageConfig, shown: Shown, progress: Progress = UNHEARD
) -> tuple[Lists, Lists]:
    """Replayed moments, and what was shown, window after window; each is kept."""
    random = np.random.default_rng(config.seed)
    begun, moments, answers = progress.latest(), Lists.told([], 0), Lists.told([], 0)
    if begun:
        random.bit_generator.state = begun.told["random"]
        moments, answers = (Lists.from_arrays(part, begun.arrays) for part in (_MOMENTS, _ANSWERS))
    for step, window in list(enumerate(windows(plays, tracks, config), 1))[begun.step if begun else 0 :]:
        moments = Lists.joined([moments, replayed(window, random)])
        inside = shown.between(window.begins_s, window.ends_s)
        if len(inside):
            answers = Lists.joined([answers, logged(window.corpus, plays, inside, config)])
        arrays = {**moments.arrays(_MOMENTS), **answers.arrays(_ANSWERS)}
        progress.keep(Checkpoint(step, arrays, {"random": random.bit_generator.state}))
    return moments, answers


def fit_forest(told: Lists, config: TwoStageConfig, progress: Progress = UNHEARD) -> Forest:
    """What orders these lists best; the curve is how well it orders them after each tree."""
    return grown(
        told.rows, told.played, NAMES, _parameters(config, len(told.rows)), config.trees, progress, group=told.sizes
    )


def fit_shown_forest(seen: Lists, config: TwoStageConfig, progress: Progress = UNHEARD) -> Forest:
    """What foretells best which tracks of these lists were played, whatever their slots; the curve is its log loss."""
    parameters = {
        **_parameters(config, len(seen.rows)),
        "objective": "binary",
        "num_leaves": SHOWN_LEAVES,
        "learning_rate": SHOWN_RATE,
        "min_data_in_leaf": max(min(200, len(seen.rows) // 50), 1),
    }
    return grown(
        seen.rows, seen.played, NAMES, parameters, SHOWN_TREES, progress, init_score=slot_odds(seen)[seen.slots]
    )


def slot_odds(seen: Lists) -> Floats:
    """How often what each slot showed was played, in log-odds [deepest slot + 1]."""
    times, played = np.bincount(seen.slots), np.bincount(seen.slots, seen.played)
    odds: Floats = np.log((played + _PRIOR) / (times - played + _PRIOR))
    return odds


def _parameters(config: TwoStageConfig, rows: int) -> dict[str, Any]:
    """More liking never ranks lower: so what ALS loses by a play taken back, the score cannot gain."""
    constraints = [int(place == ALS_COLUMN) for place in range(len(NAMES))]
    return {
        "objective": "lambdarank",
        "lambdarank_truncation_level": 30,
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": max(min(50, rows // 100), 1),
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "monotone_constraints": constraints,
        "seed": config.seed,
    }
