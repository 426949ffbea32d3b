"""irspack 0.5: iALS++ (Rendle et al. 2021), RP3beta (Paudel et al. 2017), dense SLIM (Steck 2019), popularity."""

from __future__ import annotations

from typing import Any

from irspack.recommenders import DenseSLIMRecommender, IALSRecommender, RP3betaRecommender, TopPopRecommender

from bench.peers.exchange import Scorer, Task, answer, nothing_below


def ials(task: Task, settings: dict[str, Any]) -> Scorer:
    """Listeners asked about are folded in."""
    settings = dict(settings)
    told = {"train_epochs": settings.pop("epochs"), "random_seed": settings.pop("seed"), "n_threads": 2}
    learner = IALSRecommender(_binary(task.weights()), **settings, **told).learn()
    tastes = _binary(task.tastes())
    return lambda part: learner.get_score_cold_user(tastes[part])


def rp3beta(task: Task, settings: dict[str, Any]) -> Scorer:
    """Of listeners and tracks."""
    told = {name: settings[name] for name in ("beta", "top_k", "normalize_weight")}
    learner = RP3betaRecommender(_binary(task.weights()), **told, n_threads=2).learn()
    tastes = _binary(task.tastes())
    return lambda part: nothing_below(learner.get_score_cold_user(tastes[part]))


def dense_slim(task: Task, settings: dict[str, Any]) -> Scorer:
    """EASE, by another name."""
    learner = DenseSLIMRecommender(_binary(task.weights()), reg=settings["reg"]).learn()
    tastes = _binary(task.tastes())
    return lambda part: learner.get_score_cold_user(tastes[part])


def toppop(task: Task, settings: dict[str, Any]) -> Scorer:  # noqa: ARG001
    """How many listeners each track has."""
    learner = TopPopRecommender(_binary(task.weights())).learn()
    tastes = _binary(task.tastes())
    return lambda part: learner.get_score_cold_user(tastes[part])


def _binary(matrix: Any) -> Any:
    found = matrix.astype("float64")
    found.data[:] = 1.0
    return found


if __name__ == "__main__":
    answer({"ials": ials, "rp3beta": rp3beta, "dense-slim": dense_slim, "toppop": toppop})
