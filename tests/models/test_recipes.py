"""The user's own recipes come before those that are packaged, learner by learner; broken ones are told."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from models.learners import learner
from models.recipes import RecipesBroken, recipes, save_recipe


def test_a_data_set_without_recipes_has_none(tmp_path: Path) -> None:
    assert recipes("no-such-data", tmp_path) == {}


def test_saving_one_keeps_those_of_other_learners(tmp_path: Path) -> None:
    save_recipe(tmp_path, "mine", "als", {"factors": 8})
    save_recipe(tmp_path, "mine", "transitions", {"prior": 0.5})
    save_recipe(tmp_path, "mine", "als", {"factors": 16})
    assert recipes("mine", tmp_path) == {"als": {"factors": 16}, "transitions": {"prior": 0.5}}


@pytest.mark.parametrize("content", ["{", "[]", '{"als": 3}', '{"alz": {}}'])
def test_a_broken_file_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(RecipesBroken, match=r"mine\.json"):
        recipes("mine", tmp_path)


def test_every_packaged_recipe_is_one_that_its_learner_takes() -> None:
    for file in files("models.recipes").iterdir():
        if file.name.endswith(".json"):
            for name, settings in recipes(file.name.removesuffix(".json")).items():
                learner(name).settings(settings)
