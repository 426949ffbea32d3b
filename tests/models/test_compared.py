"""Folds over different listeners are measured as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.evaluation.compared import compared
from models.evaluation.datasets import Dataset, open_dataset
from models.learners import learner


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    random = np.random.default_rng(3)
    played = [(user, artist) for user in range(40) for artist in random.permutation(30)[:15]]
    rows = [f"{user}\t{artist}\t{random.integers(1, 100)}" for user, artist in played]
    (tmp_path / "user_artists.dat").write_text("\n".join(["userID\tartistID\tweight", *rows]))
    return open_dataset(tmp_path)


def test_every_listener_of_every_fold_is_measured_once(dataset: Dataset) -> None:
    told: list[str] = []
    found = compared(dataset, {"popularity": learner("popularity").settings()}, 10, told.append)
    assert len(dataset.folds) == len(told) == 5
    assert len(found.split.activity) == sum(len(fold.activity) for fold in dataset.folds) == 40
    document = found.document()
    assert (document["listeners"], document["steps"]) == (40, 40)
    figures = document["models"]["popularity"]
    alone = [compared_alone(dataset, at) for at in range(5)]
    assert figures["recall@10"] == pytest.approx(np.average([mean for mean, _ in alone], weights=[n for _, n in alone]))
    assert figures["intervals"]["recall@10"][0] < figures["recall@10"] < figures["intervals"]["recall@10"][1]


def test_each_learner_is_told_how_long_it_took(dataset: Dataset) -> None:
    settings = {name: learner(name).settings() for name in ("popularity", "als")}
    found = compared(dataset, settings, 10, lambda _: None)
    assert min(outcome.seconds for outcome in found.outcomes) > 0


def compared_alone(dataset: Dataset, fold: int) -> tuple[float, int]:
    one = Dataset("one", "", 10, "", (), (dataset.folds[fold],), lambda: dataset.folds[fold])
    found = compared(one, {"popularity": learner("popularity").settings()}, 10, lambda _: None)
    return found.outcomes[0].means()["recall@10"].mean, len(found.split.activity)


def test_segments_have_intervals_of_their_own(dataset: Dataset) -> None:
    found = compared(dataset, {"popularity": learner("popularity").settings()}, 10, lambda _: None).document()
    for segment in found["models"]["popularity"]["segments"].values():
        low, high = segment["intervals"]["ndcg@10"]
        assert low <= segment["ndcg@10"] <= high


def test_a_learner_that_the_data_do_not_suit_is_told_of_and_left_out_of_every_fold(dataset: Dataset) -> None:
    told: list[str] = []
    settings = {name: learner(name).settings() for name in ("popularity", "markov", "item-knn")}  # lists have no order
    found = compared(dataset, settings, 10, told.append, leaves_out=True)
    assert [outcome.name for outcome in found.outcomes] == ["popularity", "item-knn"]
    assert len([each for each in told if each.startswith("leaving markov out: fitting markov: found no order")]) == 1
    with pytest.raises(ValueError, match="no order of plays"):
        compared(dataset, settings, 10, told.append)
