"""The worlds of benchmarks: exact sizes, the same from the same seed, and something to learn in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.report import Result, write
from bench.worlds import TasteWorld, interactions
from models.als import AlsConfig
from models.als_training import train_als

SMALL = TasteWorld(listeners=600, tracks=400, pairs=9_000, scenes=30, scenes_each=4)


def test_a_world_has_exactly_its_pairs() -> None:
    made = interactions(SMALL)
    assert (made.listeners, made.tracks, made.weights.nnz) == (600, 400, 9_000)
    assert made.weights.data.min() >= 1
    np.testing.assert_allclose(made.popularity, made.weights.toarray().sum(axis=0), rtol=1e-6)


def test_the_same_seed_is_the_same_world_and_another_is_not() -> None:
    again = TasteWorld(listeners=600, tracks=400, pairs=9_000, scenes=30, scenes_each=4, seed=21)
    first, same, other = (interactions(world).weights.toarray() for world in (SMALL, SMALL, again))
    assert (first == same).all()
    assert (first != other).any()


def test_a_tenth_of_the_tracks_has_twice_its_share_of_the_plays() -> None:
    popularity = np.sort(interactions(SMALL).popularity)[::-1]
    assert popularity[:40].sum() > 0.2 * popularity.sum()


def test_tastes_can_be_learned() -> None:
    made = interactions(SMALL)
    factors = train_als(made, AlsConfig(8, 0.1, 5.0, 5), threads=1)
    scores = factors.listeners @ factors.tracks.T
    heard = made.weights.toarray() > 0
    assert scores[heard].mean() > 3 * scores[~heard].mean()


def test_a_result_is_one_line_and_the_same_in_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(Result("thing", 3.0, "s", "peer", 4.0, "faster", ok=True, details={"rounds": 5}), tmp_path)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == json.loads((tmp_path / "thing.json").read_text())
    assert {"bench": "thing", "ok": True, "rounds": 5}.items() <= json.loads(printed).items()
