"""A model that was trained by hand is in its folder whole or not at all, whoever else writes there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from models.learners import learner
from models.popularity import Popularity
from models.trained import Origin, write_by_hash, write_trained

ORIGIN = Origin("popularity", learner("popularity").settings(), "mine", "0" * 64, "every play")
PLAIN = Popularity(np.array([0.75, 0.25]))


@dataclass(frozen=True)
class Slow(Popularity):
    """While it saves itself, something else is done."""

    meanwhile: Callable[[], object] = lambda: None

    def save(self, folder: Path) -> None:
        super().save(folder)
        self.meanwhile()


def test_a_training_that_ends_while_another_one_saves_into_the_same_folder_disturbs_none(tmp_path: Path) -> None:
    slow = Slow(PLAIN.shares, lambda: write_trained(tmp_path / "out", PLAIN, ORIGIN, ["a", "b"]))
    hashed = write_trained(tmp_path / "out", slow, ORIGIN, None)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["arrays.npz", "trained.json"]
    assert hashed == write_trained(tmp_path / "again", PLAIN, ORIGIN, None)


@pytest.mark.parametrize(("tracks", "folders"), [(["a", "b"], 1), (None, 2)])
def test_equal_models_that_are_saved_at_once_are_one_folder_and_others_two(
    tracks: list[str] | None, folders: int, tmp_path: Path
) -> None:
    slow = Slow(PLAIN.shares, lambda: write_by_hash(tmp_path, PLAIN, ORIGIN, ["a", "b"]))
    folder, hashed = write_by_hash(tmp_path, slow, ORIGIN, tracks)
    assert folder.name == f"popularity-mine-{hashed[:12]}"
    assert Popularity.load(folder).tracks == 2
    assert len(list(tmp_path.iterdir())) == folders


def test_a_model_that_cannot_be_saved_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    def full() -> None:
        raise OSError("no space left")

    hashed = write_trained(tmp_path / "out", PLAIN, ORIGIN, None)
    with pytest.raises(OSError, match="no space"):
        write_trained(tmp_path / "out", Slow(PLAIN.shares, full), ORIGIN, None)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert write_trained(tmp_path / "out", PLAIN, ORIGIN, None) == hashed
