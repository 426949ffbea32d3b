"""Growing a forest with LightGBM: the same rows, settings and seed give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.base import Positions, Scores
from models.progress import Progress
from models.ranking.forest import Forest

_CURVES = {"ndcg@5", "binary_logloss"}  # of what orders lists, and of what foretells plays
_FIXED = {"deterministic": True, "force_row_wise": True, "num_threads": 2, "verbose": -1}  # sums differ by threads


class TooLittleHistory(ValueError):
    """There is not enough to learn a ranking from; says how much there was, and what was wanted."""


def grown(
    rows: Scores,
    played: Positions,
    columns: Sequence[str],
    parameters: Mapping[str, Any],
    trees: int,
    progress: Progress,
    **told: Any,
) -> Forest:
    """A forest over rows [candidates, columns], `played` or not; the curve is how well it does after each tree.

    `parameters` are LightGBM's, and `told` is what else its `Dataset` takes.
    """
    import lightgbm  # it takes over a second, and only training needs it

    def heard(state: Any) -> None:
        curves = {metric: value for _, metric, value, _ in state.evaluation_result_list}
        for metric in _CURVES & curves.keys():
            progress.tell(f"training {metric}", state.iteration + 1, curves[metric])

    data = lightgbm.Dataset(
        rows, played, feature_name=list(columns), params={"verbose": -1}, free_raw_data=True, **told
    )
    listening: dict[str, Any] = {"valid_sets": [data], "callbacks": [heard]} if progress.listens else {}
    return Forest(lightgbm.train({**parameters, **_FIXED}, data, trees, **listening).model_to_string())
