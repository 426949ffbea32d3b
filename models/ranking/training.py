"""Fitting the two stages: the forest learns from pseudo-impressions, and the corpus is then counted from all plays.

LambdaMART (Burges 2010) on LightGBM. The same plays, settings and seed give the same bytes. Interrupted, a fit goes on
from the windows whose lists are done; the forest is grown anew, since LightGBM draws other rows when it continues one.
"""

from __future__ import annotations

from typing import Any

from scipy.sparse import csr_array

from models.base import Interactions
from models.progress import UNHEARD, Progress
from models.ranking.counting import Plays, fit_corpus
from models.ranking.features import ALS_COLUMN, NAMES
from models.ranking.forest import Forest
from models.ranking.pseudo import Impressions, pseudo_impressions
from models.ranking.two_stage import TwoStage, TwoStageConfig

FEWEST = 20  # lists to learn from; with fewer a forest would learn chance
CURVE = "ndcg@5"
_THREADS = 2  # fixed: sums of floats differ by it


class TooLittleHistory(ValueError):
    """There are not enough moments to learn a ranking from; says how many there were, and what was wanted."""


def fit_two_stage(interactions: Interactions, config: TwoStageConfig, progress: Progress = UNHEARD) -> TwoStage:
    """Raises `TooLittleHistory`, and ValueError where the order of the plays is unknown."""
    return fit_plays(Plays.of(interactions), interactions.weights, config, progress)


def fit_plays(plays: Plays, weights: csr_array, config: TwoStageConfig, progress: Progress = UNHEARD) -> TwoStage:
    """The same of plays in order and the weights [listeners, tracks] that they have now. Raises `TooLittleHistory`."""
    tracks = int(weights.shape[1])
    if not len(plays.tracks):
        raise TooLittleHistory("two stages from no play; wanted some")
    told = pseudo_impressions(plays, tracks, config, progress)
    if len(told.sizes) < FEWEST:
        found = f"{len(told.sizes)} of {told.asked} moments found what was played next among the candidates"
        raise TooLittleHistory(f"two stages: {found}; wanted {FEWEST}")
    forest = fit_forest(told, config, progress)
    return TwoStage(config, fit_corpus(plays, weights, config.als), forest)


def fit_forest(told: Impressions, config: TwoStageConfig, progress: Progress = UNHEARD) -> Forest:
    """What orders these lists best; the curve is how well it orders them after each tree."""
    import lightgbm  # it takes over a second, and only training needs it

    def heard(grown: Any) -> None:
        curves = {metric: value for _, metric, value, _ in grown.evaluation_result_list}
        progress.tell(f"training {CURVE}", grown.iteration + 1, curves[CURVE])

    data = lightgbm.Dataset(
        told.rows, told.played, group=told.sizes, feature_name=list(NAMES), params={"verbose": -1}, free_raw_data=True
    )
    listening: dict[str, Any] = {"valid_sets": [data], "callbacks": [heard]} if progress.listens else {}
    parameters = _parameters(config, len(told.rows))
    return Forest(lightgbm.train(parameters, data, config.trees, **listening).model_to_string())


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
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": _THREADS,
        "verbose": -1,
    }
