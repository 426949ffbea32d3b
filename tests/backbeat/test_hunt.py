"""What one trial of a search measures, over all validation splits."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from backbeat.hunt import BlendSought, Hunt, SettingsSought
from models.blend import BlendConfig, Member
from models.evaluation.datasets import Dataset, lists_split
from models.evaluation.splits import Split
from models.learners import learner

ITEMS = 6


def split_of(users: int, wanted: int) -> Split:
    """Each user has items 0 and 1 and is asked for one; popularity's next one is 2."""
    known = [np.array([0, 1])] * users + [np.array([2, 3]), np.array([2, 4])]
    held = [np.array([wanted])] * users + [np.empty(0, np.int64)] * 2
    return lists_split("gowalla", f"{users} users", known, held, ITEMS)


def dataset(*validations: Split) -> Dataset:
    return Dataset("gowalla", "made up", 1, "recall@1", ("recall@1",), (validations[0],), lambda: validations)


def test_every_case_of_every_split_counts_alike() -> None:
    data = dataset(split_of(users=3, wanted=2), split_of(users=1, wanted=5))
    hunt = Hunt(SettingsSought(learner("popularity"), {}, {}, data.validations), data)
    assert hunt.score(optuna.create_study().ask(), 60) == pytest.approx(3 / 4)


def test_a_blends_members_are_fitted_on_each_split() -> None:
    data = dataset(split_of(users=3, wanted=2), split_of(users=1, wanted=2))
    base = BlendConfig((Member("popularity"), Member("item-knn", log=0.1)))
    sought = BlendSought(base, weighed=True, splits=data.validations)
    trials = optuna.create_study()
    trials.enqueue_trial(*sought.first[0])
    assert Hunt(sought, data).score(trials.ask(), 60) == 1.0
    trials.enqueue_trial(sought.first[1][0])
    assert Hunt(sought, data).score(trials.ask(), 60) == 1.0
