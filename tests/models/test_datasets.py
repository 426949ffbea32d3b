"""Published benchmarks are divided as their papers divide them; damaged files are told."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.datasets import POPULAR_HELD, DataWrong, open_dataset
from models.evaluation.splits import SessionPlays, SplitImpossible
from models.evaluation.timed import after_moment, next_track

MINUTE, DAY = 60_000, 86_400_000


def gowalla(folder: Path, train: str = "0 1 2 3\n1 0 2\n", test: str = "0 4\n1 1 3\n") -> Path:
    (folder / "train.txt").write_text(train)
    (folder / "test.txt").write_text(test)
    return folder


def test_lists_ask_each_user_for_what_is_held_out_and_rank_only_new_items(tmp_path: Path) -> None:
    split = open_dataset(gowalla(tmp_path)).folds[0]
    assert split.new_only
    assert split.known == 5
    assert split.cases.relevant.tolist() == [4, 1, 3]
    assert [taste.tracks.tolist() for taste in split.cases.fresh] == [[1, 2, 3], [0, 2]]


def test_validation_of_lists_never_holds_a_test_item(tmp_path: Path) -> None:
    split = open_dataset(gowalla(tmp_path)).validation
    assert set(split.cases.relevant.tolist()) <= {1, 2, 3, 0}
    assert split.train.weights.nnz + len(split.cases.relevant) == 5


def test_validation_of_lists_holds_out_what_is_popular_as_the_test_does(tmp_path: Path) -> None:
    """Each of 400 users has one item of all and four of their own: 1 in 5 of a random fifth would be that of all."""
    lines = [f"{user} 0 {' '.join(str(1 + 4 * user + own) for own in range(4))}\n" for user in range(400)]
    split = open_dataset(gowalla(tmp_path, "".join(lines), "0 5\n")).validation
    assert len(split.cases) == 400
    chance = 400**POPULAR_HELD / (400**POPULAR_HELD + 4)
    assert (split.cases.relevant == 0).mean() == pytest.approx(chance, abs=0.08)
    assert chance > 0.4


def test_a_huge_id_makes_no_huge_catalog(tmp_path: Path) -> None:
    split = open_dataset(gowalla(tmp_path, "0 1 2\n999999999999 2 1\n", "0 3\n999999999999 888888888888\n")).folds[0]
    assert (split.known, split.train.listeners) == (4, 2)
    assert split.cases.relevant.tolist() == [2, 3]


def test_sequences_leave_the_last_item_out_and_validate_on_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "LastFM.txt").write_text("1 10 20 30 40\n2 20 10 30\n")
    found = open_dataset(tmp_path)
    test, validation = found.folds[0], found.validation
    assert test.cases.relevant.tolist() == [3, 2]
    assert validation.cases.relevant.tolist() == [2, 0]
    assert [taste.recent.tracks.tolist() for taste in test.cases.fresh] == [[0, 1, 2], [1, 0]]
    assert test.train.sequences is not None
    assert test.train.sequences.tracks.tolist() == [0, 1, 2, 1, 0]


def test_prefixes_ask_for_their_label_and_unknown_items_are_nobodys_to_recommend(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "train_sessions.txt.gz", "wt") as stream:
        stream.write("".join(f"{at} {at + 1}\n" for at in range(40)))
    with gzip.open(tmp_path / "test_prefix_label.txt.gz", "wt") as stream:
        stream.write("1 2\t3\n7 999\t888\n")
    found = open_dataset(tmp_path)
    cases = found.folds[0].cases
    assert cases.relevant.tolist() == [3, found.folds[0].known]
    assert [taste.recent.in_session.tolist() for taste in cases.fresh] == [[1, 2], [7]]
    assert found.validation.train.listeners == 38


def test_held_listeners_tell_four_fifths_of_their_artists(tmp_path: Path) -> None:
    rows = "".join(f"{listener}\t{artist}\t{artist + 1}\n" for listener in range(20) for artist in range(10))
    (tmp_path / "user_artists.dat").write_text("userID\tartistID\tweight\n" + rows)
    found = open_dataset(tmp_path)
    assert len(found.folds) == 5
    asked = [len(taste.tracks) for split in found.folds for taste in split.cases.fresh]
    assert asked == [8] * 20
    assert {split.train.listeners for split in found.folds} == {16}
    assert found.folds[0].train.weights.max() == np.float32(np.log2(11))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("train.txt", "0 1 -2\n", "found item -2; wanted 0 or more"),
        ("train.txt", f"0 1 {10**30}\n", "train.txt: .*int"),
        ("LastFM.txt", "1 2 three 4\n", "line 1 of LastFM.txt"),
        ("LastFM.txt", "1 2 3\n", "fewer than three items"),
        ("user_artists.dat", "userID\tartistID\n1\t2\n", "wanted userID, artistID and weight"),
        ("notes.txt", "", "wanted a folder with train.txt"),
    ],
)
def test_what_is_not_a_data_set_is_told(tmp_path: Path, name: str, content: str, told: str) -> None:
    (tmp_path / "test.txt").touch()
    (tmp_path / name).write_text(content)
    with pytest.raises(DataWrong, match=told):
        open_dataset(tmp_path)


def test_lists_without_a_held_out_item_and_files_without_a_line_are_no_split(tmp_path: Path) -> None:
    with pytest.raises(SplitImpossible, match="nobody has an item on both sides"):
        open_dataset(gowalla(tmp_path, test=""))
    (tmp_path / "train.txt").unlink()
    (tmp_path / "LastFM.txt").touch()
    with pytest.raises(SplitImpossible, match="found no sequence"):
        open_dataset(tmp_path)


def played(*rows: tuple[str, str, int, int]) -> SessionPlays:
    listeners, tracks, sessions, started = zip(*rows, strict=True)
    return SessionPlays(np.array(listeners), np.array(tracks), np.array(sessions), np.array(started))


def test_a_step_of_the_last_session_knows_the_plays_before_it_in_order_with_their_age() -> None:
    plays = played(
        ("ada", "a", 1, 0),
        ("ada", "b", 2, DAY),
        ("ada", "a", 3, 2 * DAY),
        ("ada", "b", 3, 2 * DAY + MINUTE),
        ("ada", "a", 3, 2 * DAY + 2 * MINUTE),
    )
    last = next_track("30music", plays).folds[0].cases.fresh[-1]
    assert last.recent.tracks.tolist() == [0, 1, 0, 1]
    assert last.recent.ago_s.tolist() == [2 * 86_400 + 60, 86_400 + 60, 60, 0]
    assert last.recent.in_session.tolist() == [0, 1]


def test_after_a_moment_warm_listeners_are_asked_for_tracks_new_to_them_or_for_all() -> None:
    plays = played(
        ("ada", "a", 1, 0),
        ("bob", "b", 2, 0),
        ("ada", "b", 3, 9 * DAY),
        ("ada", "a", 3, 9 * DAY),
        ("eve", "a", 4, 9 * DAY),
    )
    new, every = (after_moment("30music", plays, 5 * DAY, new_only=way).folds[0] for way in (True, False))
    assert new.cases.relevant.tolist() == [1]
    assert every.cases.relevant.tolist() == [0, 1]
    assert new.cases.fresh[0].recent.ago_s.tolist() == [5 * 86_400]


def test_a_moment_with_plays_on_one_side_alone_is_refused() -> None:
    with pytest.raises(SplitImpossible, match="no play on one side"):
        after_moment("30music", played(("ada", "a", 1, 0)), DAY, new_only=True)
