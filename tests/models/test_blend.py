"""The blend under the contract, its scores worked by hand, and its weights fitted on validation cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import Interactions, ModelBroken, Taste, TrackPosition
from models.blend import Blend, BlendConfig, Member, fit_blend
from models.evaluation.blending import PER_MEMBER, NothingToFit, choices, fitted_weights, reweighted
from models.evaluation.datasets import in_order
from models.evaluation.splits import Cases, Split
from models.files import read_json, write_json
from models.learners import SettingsWrong, learner
from models.markov import Markov
from models.members import fit_members
from models.popularity import fit_popularity
from tests.models.contract import LISTENERS, TRACKS, ModelContract, checkerboard, missing, taste_of

HEARD_LAST = BlendConfig(
    (Member("vsknn"), Member("stan", {"heard": 0.5}, "ranks", share=1.0), Member("popularity")), heard=-50.0
)


class TestBlend(ModelContract):
    def fit(self, interactions: Interactions) -> Blend:
        return fit_blend(interactions, HEARD_LAST)

    def known_answer(self, _taste: Taste, listener: int) -> set[int]:
        return {int(missing(np.array([listener]))[0])}


def test_a_score_is_the_weighted_logarithm_and_share_of_each_member() -> None:
    config = BlendConfig((Member("repeat", log=2.0, share=3.0), Member("popularity", log=1.0)), floor=0.1, heard=-1.0)
    model = fit_blend(checkerboard(), config)
    taste = Taste(np.array([4, 7]), np.array([3.0, 1.0]))
    popular = fit_popularity(checkerboard()).shares
    wanted = np.log1p(popular / 0.1)
    wanted[[4, 7]] += 2.0 * np.log1p(np.array([0.75, 0.25]) / 0.1) + 3.0 * np.array([0.75, 0.25])
    np.testing.assert_allclose(model.scores(taste, np.arange(TRACKS)), wanted, rtol=1e-5)
    session = taste_of(3, checkerboard())
    lower = model.scores(session, session.tracks)
    free = fit_blend(checkerboard(), replace(config, heard=0.0))
    np.testing.assert_allclose(lower, free.scores(session, session.tracks) - 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("member", "wanted"),
    [
        ({"learner": "alz"}, "no learner alz"),
        ({"learner": "als", "settings": {"seed": "x"}}, "als: Expected"),
    ],
)
def test_a_member_that_cannot_be_is_a_wrong_value(member: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        fit_blend(checkerboard(), learner("blend").settings({"members": [member]}))


@pytest.mark.parametrize("scale", ["parts", "softmax", "ranks"])
def test_what_a_member_gives_sums_to_one_and_keeps_its_order(scale: str) -> None:
    member = {"learner": "als", "settings": {"factors": 2, "iterations": 3}, "scale": scale, "temperature": 0.5}
    config = learner("blend").settings({"members": [member]})
    model = fit_blend(checkerboard(), config)
    taste = taste_of(2, checkerboard())
    (shares,) = model.shares_of([taste])
    assert shares.sum() == pytest.approx(1.0, rel=1e-5)
    best = model.members[0].recommend(taste, 5).items
    assert (np.diff(shares[0][best]) <= 0).all()


def test_a_member_with_nothing_to_say_gives_nothing() -> None:
    model = fit_blend(checkerboard(), BlendConfig((Member("stan"), Member("popularity"))))
    stan, popularity = model.shares_of([Taste.unknown()])
    assert not stan.any()
    assert popularity.sum() == pytest.approx(1.0)


def test_the_current_track_alone_is_enough_to_answer() -> None:
    model = fit_blend(checkerboard(), BlendConfig((Member("markov"),)))
    assert len(model.recommend(Taste.unknown(TrackPosition(2)), 3)) == 3


def test_fitting_finds_the_member_that_is_right() -> None:
    split = _split([missing(np.array([listener])) for listener in range(LISTENERS)])
    config = BlendConfig((Member("vsknn", {"heard": 0.5}), Member("popularity")), heard=0.0)
    found = blended(split, config)
    assert found.members[0].log + found.members[0].share > 0
    assert found.heard < 0  # what is missing was never heard
    model = fit_blend(split.train, found)
    assert [int(items[0]) for items in model.recommend_many(split.cases.fresh, 1)] == split.cases.relevant.tolist()


def test_the_same_cases_give_the_same_weights() -> None:
    split = _split([missing(np.array([listener])) for listener in range(LISTENERS)])
    assert blended(split, HEARD_LAST) == blended(split, HEARD_LAST)


def test_tracks_that_may_not_be_recommended_are_no_candidates() -> None:
    split = replace(_split([missing(np.array([listener])) for listener in range(LISTENERS)]), new_only=True)
    found = choices(split, fit_blend(split.train, HEARD_LAST))
    assert not found.features[:, -1].any()
    assert found.right.sum() == LISTENERS


def test_tracks_that_are_barred_take_no_candidates_place() -> None:
    """The listener of the 100 most popular tracks is asked for the next one, which popularity puts 101st."""
    tracks = PER_MEMBER + 2
    known = Taste(np.arange(PER_MEMBER), np.ones(PER_MEMBER))
    falling = [np.full(tracks - track, track) for track in range(tracks)]  # track 0 has the most plays
    train = in_order([np.concatenate(falling)], tracks)
    cases = Cases(np.zeros(1, np.int64), np.array([0, 1]), np.array([PER_MEMBER]), (known,), (known,))
    split = Split("heavy", "all of it", tracks, train, cases, np.array([PER_MEMBER]), new_only=True)
    found = choices(split, fit_blend(train, BlendConfig((Member("popularity"),))))
    assert found.right.tolist() == [True, False]


def test_a_seed_is_that_of_every_member_that_has_one() -> None:
    config = BlendConfig((Member("als", {"factors": 2, "seed": 3}), Member("popularity")))
    taste, items = taste_of(1, checkerboard()), np.arange(TRACKS)
    alone, same, apart = (
        fit_blend(checkerboard(), replace(config, seed=seed)).scores(taste, items).tolist() for seed in (None, 3, 4)
    )
    assert same == alone
    assert apart != alone


def test_tracks_that_are_not_asked_about_are_no_candidates() -> None:
    split = _split([missing(np.array([listener])) for listener in range(LISTENERS)])
    asked = replace(split, candidates=np.arange(TRACKS // 2))
    every, some = (choices(one, fit_blend(split.train, HEARD_LAST)) for one in (split, asked))
    assert 0 < len(some.case) < len(every.case)
    assert some.right.sum() == (split.cases.relevant < TRACKS // 2).sum()


def test_the_unit_of_a_feature_changes_its_weight_and_no_choice() -> None:
    split = _split([missing(np.array([listener])) for listener in range(LISTENERS)])
    found = choices(split, fit_blend(split.train, HEARD_LAST))
    unit = np.array([1, 1e-3, 1, 1, 10, 1, 1], np.float32)
    np.testing.assert_allclose(
        fitted_weights(replace(found, features=found.features * unit)),
        fitted_weights(found) / unit,
        rtol=0.02,
        atol=1e-3,
    )


def test_a_member_of_no_weight_is_not_fitted() -> None:
    model = fit_blend(checkerboard(), BlendConfig((Member("markov"), Member("stan", log=0.0))))
    assert [type(member) for member in model.members] == [Markov]
    assert model.config.members == (Member("markov"),)


def test_cases_without_a_right_candidate_are_refused() -> None:
    split = _split([np.array([TRACKS + 1]) for _ in range(LISTENERS)])
    with pytest.raises(NothingToFit, match="24 cases"):
        blended(split, HEARD_LAST)


def test_members_are_saved_into_folders_of_their_own(tmp_path: Path) -> None:
    fit_blend(checkerboard(), BlendConfig((Member("markov"), Member("popularity")))).save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-markov", "2-popularity", "config.json"]
    assert isinstance(Blend.load(tmp_path).members[0], Markov)


@pytest.mark.parametrize("broken", [{"members": []}, {"members": [{"learner": "nobody"}]}, {"floor": "low"}])
def test_a_config_of_no_blend_is_refused(broken: dict[str, object], tmp_path: Path) -> None:
    fit_blend(checkerboard()).save(tmp_path)
    write_json(tmp_path / "config.json", {**read_json(tmp_path / "config.json"), **broken})
    with pytest.raises(ModelBroken, match=r"wanted the fields of BlendConfig|no learner nobody"):
        Blend.load(tmp_path)


def test_members_of_two_catalogs_are_refused(tmp_path: Path) -> None:
    fit_blend(checkerboard(), BlendConfig((Member("repeat"), Member("popularity")))).save(tmp_path)
    write_json(tmp_path / "1-repeat" / "config.json", {"tracks": 3})
    with pytest.raises(ModelBroken, match="repeat of 3, popularity of 12"):
        Blend.load(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"members": []},
        {"floor": 0.0},
        {"members": [{"learner": "repeat", "log": -1.0}]},
        {"members": [{"learner": "repeat", "log": 0.0}]},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsWrong, match="wanted"):
        learner("blend").settings(wrong)


def blended(split: Split, config: BlendConfig) -> BlendConfig:
    return reweighted(split, Blend(config, fit_members(split.train, config.members)))


def _split(relevant: list[np.ndarray]) -> Split:
    """Each listener of the checkerboard asks for these tracks."""
    train = checkerboard()
    tastes = tuple(taste_of(listener, train) for listener in range(LISTENERS))
    starts = np.concatenate([[0], np.cumsum([len(one) for one in relevant])])
    cases = Cases(np.arange(LISTENERS), starts, np.concatenate(relevant), tastes, tastes)
    return Split("board", "all of it", TRACKS, train, cases, np.full(LISTENERS, 5))
