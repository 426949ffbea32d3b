"""What is compared before anything is published: the split, and the recipe of the candidate."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from jobs.candidate import RECIPE, Brief, RecipeWrong, recipe, split_day_of, split_of
from jobs.run import FailsAgain
from models.als import AlsConfig
from models.history import History
from warehouse.rules.quantity import DAY_MS

FIRST = 20_000  # 2024-10-04, in days since 1970-01-01


def history(*days: int) -> History:
    """One listener plays one track on each of these days."""
    ones = np.ones(len(days), np.int64)
    at = np.array(days, np.int64) + FIRST
    return History.from_plays(ones, ones, at * DAY_MS)


def test_the_split_lies_among_the_plays_however_long_ago_they_were() -> None:
    plays = history(*range(20))
    split_day = split_day_of(plays)
    assert split_day == date(2024, 10, 17)
    later = Brief(date(2026, 1, 1), split_day, {}, None)  # as of more than a year after the last play
    assert len(split_of(plays, later).cases) == 1


def test_plays_of_a_single_day_cannot_be_split() -> None:
    assert split_day_of(history(0)) is None


def test_without_a_recipe_the_defaults_are_the_candidate(tmp_path: Path) -> None:
    assert recipe(tmp_path) == AlsConfig()


@pytest.mark.parametrize("text", ["{", '{"iterations": "many"}', "[]"])
def test_a_wrong_recipe_names_its_file_and_is_not_tried_again(tmp_path: Path, text: str) -> None:
    (tmp_path / RECIPE).write_text(text)
    with pytest.raises(RecipeWrong, match=f"reading {tmp_path / RECIPE}: .*wanted fields of") as wrong:
        recipe(tmp_path)
    assert isinstance(wrong.value, FailsAgain)
