"""Curves are heard, and an interrupted fit ends with the bytes and curves of one that was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import Interactions
from models.files import hashes, write_arrays
from models.learners import learner
from models.progress import Checkpoint, KeptProgress, differences
from tests.fakes.cut_short import CutShort, Interrupted
from tests.models.contract import checkerboard
from tests.models.ranking.listening import listening

ALS: dict[str, Any] = {"factors": 3, "iterations": 4}
SASREC: dict[str, Any] = {"length": 6, "dimensions": 4, "epochs": 2, "batch": 24, "negatives": 8, "members": 2}
BLEND: dict[str, Any] = {
    "members": [
        {"learner": "als", "settings": {"factors": 3, "iterations": 2}},
        {"learner": "repeat"},
        {"learner": "sasrec", "settings": SASREC, "scale": "softmax"},
        {"learner": "markov"},
    ]
}
BLEND_CURVES = {"loss of 1-als": 2, "loss of member 1 of 3-sasrec": 2, "loss of member 2 of 3-sasrec": 2}
BLENDS: dict[str, Any] = {"members": [{"learner": "blend", "settings": BLEND}] * 2}
BLENDS_CURVES = {f"{curve} of {place}-blend": points for place in (1, 2) for curve, points in BLEND_CURVES.items()}
STACKED: dict[str, Any] = {
    "members": [{"learner": "als", "settings": {"factors": 3, "iterations": 1}}, {"learner": "item-knn"}],
    "windows": 2,
    "days": 10.0,
    "trees": 6,
}
STACKED_CURVES = {"loss of 1-als of window 1": 1, "loss of 1-als of window 2": 1, "loss of 1-als": 1} | {
    "training binary_logloss": 6
}
ITERATIVE: dict[str, tuple[str, dict[str, Any], int, dict[str, int]]] = {
    "als, each row exactly": ("als", ALS, 2, {"loss": 4}),
    "als by implicit": ("als", {**ALS, "frequency_exponent": 0.0}, 3, {"loss": 4}),
    "als by conjugate gradients": ("als", {**ALS, "conjugate_steps": 2}, 1, {"loss": 4}),
    "als whose last iteration was done": ("als", {**ALS, "frequency_exponent": 0.0}, 4, {"loss": 4}),
    "item2vec": ("item2vec", {"dimensions": 4, "epochs": 3, "batch": 64, "negatives": 4}, 2, {"loss": 3}),
    "sasrec": ("sasrec", SASREC, 1, {"loss of member 1": 2, "loss of member 2": 2}),
    "sasrec in its second member": ("sasrec", SASREC, 3, {"loss of member 1": 2, "loss of member 2": 2}),
    "sasrec between members": ("sasrec", SASREC, 2, {"loss of member 1": 2, "loss of member 2": 2}),
    "blend": ("blend", BLEND, 10, BLEND_CURVES),
    "blend in its first member": ("blend", BLEND, 1, BLEND_CURVES),
    "blend between members": ("blend", BLEND, 3, BLEND_CURVES),
    "blend between members of which one keeps nothing": ("blend", BLEND, 4, BLEND_CURVES),
    "blend in its member of members": ("blend", BLEND, 7, BLEND_CURVES),
    "blend in its second blend": ("blend", BLENDS, 13, BLENDS_CURVES),
    "stacked": ("stacked", STACKED, 11, STACKED_CURVES),
    "stacked in its second window": ("stacked", STACKED, 6, STACKED_CURVES),
    "stacked between windows": ("stacked", STACKED, 4, STACKED_CURVES),
    "stacked in its last members": ("stacked", STACKED, 10, STACKED_CURVES),
    "two stages": ("two-stage", {"moments": 600, "trees": 12, "leaves": 8}, 1, {"training ndcg@5": 12}),
}


@pytest.mark.parametrize("case", ITERATIVE)
def test_an_interrupted_fit_ends_as_if_nothing_had_happened(case: str, tmp_path: Path) -> None:
    name, given, after, curves = ITERATIVE[case]
    data = listening() if name in ("two-stage", "stacked") else checkerboard()
    whole = KeptProgress(tmp_path / "whole", {})
    wanted = saved(name, given, data, whole, tmp_path / "at once")
    with pytest.raises(Interrupted):
        saved(name, given, data, CutShort(tmp_path / "cut", {}, after), tmp_path / "never")
    resumed = KeptProgress(tmp_path / "cut", {})
    assert resumed.steps == after
    assert saved(name, given, data, resumed, tmp_path / "in two") == wanted
    assert resumed.curves == whole.curves
    assert {curve: len(points) for curve, points in whole.curves.items()} == curves


@pytest.mark.parametrize("case", [case for case in ITERATIVE if " in its " not in case and " between " not in case])
def test_who_listens_changes_no_bit(case: str, tmp_path: Path) -> None:
    name, given, _, _ = ITERATIVE[case]
    data = listening() if name in ("two-stage", "stacked") else checkerboard()
    learner(name).fitted(data, learner(name).settings(given)).save(tmp_path / "unheard")
    heard = saved(name, given, data, KeptProgress(tmp_path / "kept", {}), tmp_path / "heard")
    assert hashes(tmp_path / "unheard") == heard


def test_the_loss_of_als_falls(tmp_path: Path) -> None:
    progress = KeptProgress(tmp_path / "kept", {})
    learner("als").fitted(checkerboard(), learner("als").settings(ALS), progress)
    losses = [value for _, value in progress.curves["loss"]]
    assert losses == sorted(losses, reverse=True)


def test_a_checkpoint_of_something_else_is_refused_and_says_in_what(tmp_path: Path) -> None:
    made_of = {"settings": {"factors": 3, "seed": 7}, "data": "ab12"}
    KeptProgress(tmp_path / "kept", made_of).keep(Checkpoint(2, {"x": np.arange(3)}))
    assert KeptProgress(tmp_path / "kept", made_of).latest() is not None
    other = KeptProgress(tmp_path / "kept", {"settings": {"factors": 4, "seed": 7}, "data": "cd34"})
    assert other.latest() is None
    assert other.refused == "it is of other data, settings.factors"
    assert not other.curves


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut off").write_bytes(b"PK")
    (tmp_path / "empty").touch()
    with (tmp_path / "one array").open("wb") as stream:
        np.save(stream, np.arange(3))
    write_arrays(tmp_path / "no document", {"document": np.frombuffer(b"{", np.uint8)})
    write_arrays(tmp_path / "a list", {"document": np.frombuffer(b"[]", np.uint8)})
    packed = tmp_path / "packed in another way"
    write_arrays(packed, {"document": np.frombuffer(b"{}", np.uint8)})
    content = packed.read_bytes()
    directory = content.index(b"PK\x01\x02")
    packed.write_bytes(content[:8] + b"\x63" + content[9 : directory + 10] + b"\x63" + content[directory + 11 :])
    for name in ("cut off", "empty", "one array", "no document", "a list", "packed in another way"):
        progress = KeptProgress(tmp_path / name, {})
        assert progress.latest() is None
        assert "damaged" in progress.refused


def test_a_checkpoint_replaces_the_one_before_and_nothing_is_left_at_the_end(tmp_path: Path) -> None:
    progress = KeptProgress(tmp_path / "own" / "kept", {})
    progress.keep(Checkpoint(1, {"x": np.arange(3)}))
    progress.tell("loss", 1, 0.5)
    progress.tell("loss", 2, float("nan"))
    progress.keep(Checkpoint(2, {"x": np.arange(4)}, {"random": 2**80}))
    read = KeptProgress(tmp_path / "own" / "kept", {})
    found = read.latest()
    assert found is not None
    assert (found.step, found.arrays["x"].tolist(), found.told) == (2, [0, 1, 2, 3], {"random": 2**80})
    assert read.curves == {"loss": [(1, 0.5)]}
    progress.end()
    assert not list((tmp_path / "own").iterdir())


def test_differences_are_named_by_their_way() -> None:
    assert differences({"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"c": 1, "d": 3}, "e": 0}) == ["a", "b.d", "e"]


def saved(name: str, given: dict[str, Any], data: Interactions, progress: KeptProgress, folder: Path) -> dict[str, str]:
    """The hashes of the files of the model."""
    found = learner(name)
    found.fitted(data, found.settings(given), progress).save(folder)
    return hashes(folder)
