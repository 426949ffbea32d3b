"""A model's card says what the artifact holds, with or without measurements and a version before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from models.artifact import Artifact
from models.base import Taste
from models.card import Names, card
from models.differences import difference
from models.evaluation.lineup import contestants
from models.evaluation.run import evaluate
from models.evaluation.splits import SessionPlays, last_session
from models.ranking.training import Learned
from models.ranking.trial import Trial
from models.registry import Registry
from tests.models.contract import TRACKS, checkerboard, taste_of
from tests.models.test_artifact import artifact

NAMES = Names([f"Song {at} <by> Somebody" for at in range(TRACKS)], np.arange(TRACKS) // 3)


def tastes() -> list[Taste]:
    return [replace(taste, weights=taste.weights * 4) for taste in (taste_of(who, checkerboard()) for who in range(6))]


def measured() -> Artifact:
    random = np.random.default_rng(1)
    who = np.repeat(np.arange(20), 30)
    plays = SessionPlays(who, random.integers(0, 15, 600), np.arange(600) // 10, np.arange(600) * 60_000)
    split = last_session(plays)
    return replace(artifact(), metrics=evaluate(contestants(split, artifact().als.config), split).document())


def test_it_has_data_segments_exposure_and_examples_with_reasons() -> None:
    page = card("v2", measured(), {"als": {"factors": 2}}, NAMES, tastes(), None)
    for said in ("Model v2", "factors 2", "regular: 10 to 49", "artists are shown", "Somebody with", "because of"):
        assert said in page
    assert page.count("<svg") == 2
    assert "Song 3 &lt;by&gt; Somebody" in page
    assert not any(outside in page for outside in ("<script", 'src="http', 'href="http', "url(http"))


def test_it_carries_no_time_so_that_equal_models_have_equal_cards() -> None:
    assert card("v", measured(), {}, NAMES, tastes(), None) == card("v", measured(), {}, NAMES, tastes(), None)


def test_without_measurements_listeners_or_names_it_says_so() -> None:
    page = card("v1", artifact(), {}, replace(NAMES, artists=np.full(TRACKS, -1)), [], None)
    for said in (
        "nothing could be measured",
        "no listener to recommend to",
        "artists are unknown",
        "the first that is",
    ):
        assert said in page
    assert "was measured on" not in page


def test_it_tells_the_two_tasks_apart() -> None:
    learned = Trial(np.full(30, 0.5), np.full(30, 0.25), np.ones(30), Learned(30, 0))
    both = replace(measured(), metrics={**measured().metrics, "two-stage": learned.figures()})
    page = card("v2", both, {}, NAMES, tastes(), None)
    assert "two-stage hit@20 (the next track): 0.5000" in page
    assert "not to be compared" in page


def test_it_names_what_has_changed_since_the_last_one(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    first, second = registry.publish(artifact(day=1)), registry.publish(artifact(day=2, alpha=6.0))
    page = card(second, artifact(day=2), {}, NAMES, tastes(), difference(registry, first, second))
    assert f"since {first}" in page
    assert "configs.als.alpha" in page
