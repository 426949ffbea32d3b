"""The harness of `make bench-quality`: what a peer is told, what is kept, what a row and the page say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.peers.exchange import NOBODY, Task, nothing_below
from bench.quality import page as pages
from bench.quality.cells import Cell, Fold, filled, task_of
from bench.quality.data import names, newcomers
from bench.quality.lineup import ALWAYS, PEERS, PUBLISHED, SPACES, peer, peers
from bench.quality.rows import documents, row_of
from bench.quality.search import keep, points
from bench.quality.systems import ROOT, Answer, Ours, PeerFailed, packages, sources
from models.base import Positions
from models.evaluation.datasets import Dataset, in_order, lists_split
from models.evaluation.splits import SessionPlays, Split
from models.evaluation.timed import next_track

KNOWN = [np.array([0, 1]), np.array([1, 2]), np.array([0, 2, 3])]
HELD = [np.array([2]), np.array([0, 3]), np.array([1])]


def split_of_lists() -> Split:
    return lists_split("lists", "made up", KNOWN, HELD, 5)


def dataset(split: Split) -> Dataset:
    return Dataset("gowalla", "made up", 2, "recall@2", ("recall@2", "ndcg@2"), (split,), lambda: split)


def plays() -> SessionPlays:
    rows = [("ada", "a", 1, 0), ("ada", "b", 1, 10), ("ada", "a", 2, 100), ("ada", "b", 3, 200), ("ada", "c", 3, 210)]
    rows += [("ben", "c", 4, 300), ("ben", "a", 4, 310), ("cy", "zz", 5, 320)]
    listeners, tracks, sessions, seconds = (np.array(column) for column in zip(*rows, strict=True))
    return SessionPlays(listeners, tracks, sessions, seconds.astype(np.int64) * 1_000)


@dataclass
class Fake:
    """Answers with the same lists whoever asks, one shifted by the seed where it is seeded; counts how often."""

    lists: Positions
    name: str = "fake"
    ours: bool = True
    seeded: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    def version(self) -> str:
        return f"{self.name} {self.seeded} {self.lists.tolist()}"

    def answer(self, split: Split, task: Task, seed: int) -> Answer:  # noqa: ARG002
        self.asked.append(seed)
        return Answer(np.roll(self.lists, seed * self.seeded, axis=1), 1.0, 0.5)


@pytest.fixture
def fold(tmp_path: Path) -> Fold:
    return Fold(split_of_lists(), 2, tmp_path / "kept")


def test_a_task_comes_back_from_its_file_with_the_same_hash(tmp_path: Path) -> None:
    task = task_of(split_of_lists(), 2)
    task.save(tmp_path / "task.npz")
    assert Task.load(tmp_path / "task.npz").digest() == task.digest()
    assert task.digest() != task_of(split_of_lists(), 3).digest()


def test_a_task_holds_the_training_matrix_and_who_is_asked() -> None:
    task = task_of(split_of_lists(), 2)
    assert task.weights().toarray().tolist() == [[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [1, 0, 1, 1, 0]]
    assert task.tastes().toarray().tolist() == task.weights().toarray().tolist()


def test_a_task_knows_the_session_so_far_and_its_last_plays() -> None:
    task = task_of(next_track("30music-next", plays()).folds[0], 2)  # ada's third session: b is asked what follows
    assert task.sessions_so_far().toarray().tolist() == [[0, 1, 0, 0]]
    assert task.sessions_so_far(0).nnz == 0
    assert task.by_session().shape == (4, 4)  # a session of each: two of ada, ben's and cy's


def test_lists_leave_out_what_was_heard_and_settle_ties_by_position() -> None:
    task = task_of(split_of_lists(), 3)
    flat = task.lists(lambda part: np.ones((part.stop - part.start, task.catalog)))
    assert flat.tolist() == [[2, 3, 4], [0, 3, 4], [1, 4, NOBODY]]


def test_scores_of_nothing_are_not_recommended() -> None:
    assert nothing_below(np.array([[0.0, 2.0]])).tolist() == [[-np.inf, 2.0]]


def test_popularity_answers_where_there_is_nothing_to_say() -> None:
    lists = np.array([[NOBODY, NOBODY], [4, NOBODY], [1, 4]])
    assert filled(lists, split_of_lists()).tolist() == [[2, 3], [4, NOBODY], [1, 4]]


def test_a_cell_is_measured_once_until_its_system_or_data_changes(fold: Fold) -> None:
    system = Fake(np.array([[2, 3], [0, 3], [1, 4]]))
    first, again = Cell(system, fold, 1).measured(), Cell(system, replace(fold, split=split_of_lists()), 1).measured()
    assert first.lists.tolist() == again.lists.tolist() == system.lists.tolist()
    assert system.asked == [1]
    Cell(system, replace(fold, split=lists_split("lists", "made up", KNOWN, HELD, 6)), 1).measured()
    Cell(Fake(system.lists, name="other", asked=system.asked), fold, 1).measured()
    assert system.asked == [1, 1, 1]


def test_a_cell_that_failed_is_not_kept(fold: Fold) -> None:
    class Broken(Fake):
        def answer(self, split: Split, task: Task, seed: int) -> Answer:  # noqa: ARG002
            raise PeerFailed("no memory")

    cell = Cell(Broken(np.empty((0, 0), np.int64)), fold, 1)
    with pytest.raises(PeerFailed, match="no memory"):
        cell.measured()
    assert not cell.path.exists()


def test_a_row_is_the_mean_over_seeds(fold: Fold) -> None:
    lists = np.array([[2, 4], [0, 4], [1, 4]])  # a roll moves what is right to the second place
    seeded, once = Fake(lists, seeded=True), Fake(lists)
    row, plain = (row_of(system, dataset(fold.split), (fold,)) for system in (seeded, once))
    assert sorted(seeded.asked) == [1, 2, 3, 4, 5]
    assert once.asked == [1]
    assert row.mean("recall@2") == plain.mean("recall@2") == pytest.approx((1 + 0.5 + 1) / 3)
    second = 1 / np.log2(3)
    assert row.mean("ndcg@2") == pytest.approx(plain.mean("ndcg@2") * (2 + 3 * second) / 5)


def test_a_fold_has_a_seed_of_its_own_where_there_are_several(fold: Fold) -> None:
    other = replace(fold, split=lists_split("lists", "another fold", KNOWN, [HELD[0], HELD[0], HELD[2]], 5))
    seeded = Fake(np.array([[2, 4], [0, 4], [1, 4]]), seeded=True)
    row_of(seeded, dataset(fold.split), (fold, other))
    assert seeded.asked == [1, 2]


def test_folds_count_their_listeners_together(fold: Fold) -> None:
    other = replace(fold, split=lists_split("lists", "another fold", KNOWN, [HELD[0], HELD[0], HELD[2]], 5))
    row = row_of(Fake(np.array([[2, 4], [0, 3], [4, 4]])), dataset(fold.split), (fold, other))
    assert row.cases.sum() == 6
    assert row.mean("recall@2") == pytest.approx((1 + 1 + 0 + 1 + 0 + 0) / 6)


def test_a_win_needs_an_interval_above_zero(fold: Fold) -> None:
    data = dataset(fold.split)
    right, wrong = np.array([[2, 4], [0, 3], [1, 4]]), np.array([[3, 4], [4, 4], [4, 4]])
    mine, peer_right, peer_wrong = (
        row_of(system, data, (fold,))
        for system in (Fake(right), Fake(right, name="peer", ours=False), Fake(wrong, name="peer", ours=False))
    )
    ours, theirs = documents(data, [mine, peer_wrong])
    assert (ours["model"], ours["wins"], ours["against"]["peer"]["model"]) == ("fake", True, "peer")
    assert (theirs["wins"], theirs["against"]["ours"]["mean"]) == (False, -1.0)
    assert (ours["against"]["ours"], theirs["against"]["peer"]) == (None, None)  # nobody is compared with themself
    assert documents(data, [mine, peer_right])[0]["wins"] is False
    assert documents(data, [mine])[0]["wins"] is None


def test_published_rows_stand_among_the_measured_in_order(fold: Fold) -> None:
    data = dataset(fold.split)
    mine = row_of(Fake(np.array([[2, 4], [0, 3], [4, 4]])), data, (fold,))
    told = documents(data, [mine], [{"model": "paper", "recall@2": 0.9}, {"model": "older", "recall@2": 0.1}])
    assert [row["model"] for row in told] == ["paper", "fake", "older"]


def test_newcomers_are_asked_for_with_nothing_known_of_them() -> None:
    split = newcomers("30music-cold", plays(), 300_000).folds[0]
    assert len(split.cases) == 2  # ben and cy
    assert [len(taste.tracks) for taste in split.cases.fresh] == [0, 0]
    assert split.cases.relevant[: split.cases.starts[1]].tolist() == [0, 2]  # a and c of ben; nobody knew zz of cy


def test_the_version_of_a_learner_follows_all_that_it_imports() -> None:
    found = {str(path.relative_to(ROOT)) for path in sources({"models.transitions"})}
    assert {"models/transitions.py", "models/popularity.py", "models/base.py"} <= found
    assert "models/als.py" not in found
    assert {name.partition("==")[0] for name in packages(sources({"models.transitions"}))} == {"numpy", "scipy"}
    assert Ours("transitions", {}).version() != Ours("transitions", {"prior": 0.5}).version()


def test_learners_with_a_seed_are_measured_five_times() -> None:
    assert Ours("als", {}).seeded
    assert not Ours("transitions", {}).seeded


def test_a_blend_is_as_its_members_are() -> None:
    als, markov = Ours("blend", {"members": [{"learner": "als"}]}), Ours("blend", {"members": [{"learner": "markov"}]})
    assert (als.seeded, markov.seeded) == (True, False)
    assert "models.als_training" in als.modules() - markov.modules()


def test_a_stack_has_a_seed_and_is_measured_with_its_members() -> None:
    stacked = Ours("stacked", {"members": [{"learner": "als"}]})
    assert stacked.seeded
    assert {"models.als_training", "models.stacked_training"} <= stacked.modules()


def test_a_search_tries_every_point_once_in_the_same_order() -> None:
    space = {"K": (1, 2, 3), "B": (0.1, 0.2)}
    tried = list(points(space))
    assert len({tuple(point.items()) for point in tried}) == 6
    assert tried == list(points(space))


def test_a_search_begins_with_what_was_found_before() -> None:
    space, before = {"K": (1, 2, 3), "B": (0.1, 0.2)}, {"K": 2, "B": 0.1}
    tried = list(points(space, before))
    assert tried[0] == before
    assert len(tried) == 6


def test_what_was_found_stands_beside_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    keep(path, "gowalla", "implicit als", {"factors": 8})
    keep(path, "gowalla", "implicit als", {"factors": 16})
    keep(path, "30music-new", "implicit als", {"factors": 4})
    assert json.loads(path.read_text()) == {
        "30music-new": {"implicit als": {"factors": 4}},
        "gowalla": {"implicit als": {"factors": 16}},
    }


def test_settings_of_peers_are_points_of_their_spaces() -> None:
    for data, found in json.loads(PEERS.read_text()).items():
        assert {system.name for system in peers(data)} == set(found)
        for name, settings in found.items():
            assert data in SPACES[name].where
            assert all(settings[key] in tried for key, tried in SPACES[name].settings.items())


def test_a_peer_without_a_space_is_refused() -> None:
    with pytest.raises(KeyError, match="no peer turicreate"):
        peer("turicreate als", {})


def test_a_peer_answers_in_a_process_of_its_own() -> None:
    pairs = [np.array([2 * scene, 2 * scene + 1]) for scene in range(3)] * 4  # of each scene whoever has one has both
    split = lists_split(
        "lists", "made up", [*pairs, np.array([2])], [*[np.array([], int)] * len(pairs), np.array([3])], 6
    )
    answer = peer("implicit cosine", {"K": 3}).answer(split, task_of(split, 2), 1)
    assert answer.lists.tolist() == [[3, NOBODY]]
    assert answer.fit_s > 0


def test_a_peer_that_fails_says_why_in_a_line() -> None:
    with pytest.raises(PeerFailed, match=r"^implicit als with .*: KeyError: 'binary'$"):
        peer("implicit als", {"factors": 2}).answer(split_of_lists(), task_of(split_of_lists(), 2), 1)


def test_published_figures_name_their_source_and_are_fractions() -> None:
    for data, rows in json.loads(PUBLISHED.read_text()).items():
        assert data in names()
        for row in rows:
            assert row["source"]
            assert all(0 < row[metric] < 1 for metric in row if "@" in metric)


def test_every_data_set_has_its_protocol_and_a_model_to_start_from() -> None:
    assert set(names()) == set(pages.PROTOCOLS) == set(ALWAYS)


def test_the_page_is_what_the_rows_say() -> None:
    rows = json.loads(pages.ROWS.read_text(encoding="utf-8"))
    assert pages.PAGE.read_text(encoding="utf-8") == pages.page(rows), "python -m bench.quality.page mends this"


def test_the_page_tells_wins_losses_and_what_was_missed() -> None:
    def row(model: str, ours: object, value: float, low: float) -> dict[str, Any]:
        against = {"peer": {"model": "x", "mean": low + 0.01, "low": low, "high": low + 0.02}, "ours": None}
        figures = {"recall@20": value, "metric": "recall@20", "interval": [value, value], "seconds": 1.0, "seeds": None}
        return {"data": "gowalla", "model": model, "ours": ours, **figures, "against": against, "wins": low > 0}

    paper = {"data": "gowalla", "model": "BSPM", "ours": "published", "source": "a paper", "recall@20": 0.3}
    told = pages.page([paper, row("als", True, 0.2, 0.01), row("knn", False, 0.17, -0.04)])
    assert "| [gowalla](#gowalla) | recall@20 | 0.2000 als | 0.1700 knn | +0.0200 (+0.0100 to +0.0300) | won |" in told
    assert "- recall@20: published best 0.3000 (BSPM), missed by 0.1000 (als), outside our 95% interval." in told
    assert "| not told apart |" in pages.page([row("als", True, 0.2, -0.01)])
    assert "| **lost** |" in pages.page([row("als", True, 0.2, -0.05)])


def test_orders_are_told_where_they_are_known() -> None:
    ordered = in_order([np.array([0, 1, 0]), np.array([2])], 3)
    split = lists_split("lists", "made up", [np.array([0])], [np.array([1])], 3)
    told = task_of(Split("s", "b", 3, ordered, split.cases, split.activity), 2)
    assert told.starts.tolist() == [0, 3, 4]
    assert told.tracks.tolist() == [0, 1, 0, 2]
    assert task_of(split, 2).tracks.tolist() == []
