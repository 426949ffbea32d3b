"""The loss, the two ways to its minimum, folding in, and what explanations promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_array

from models.als import AlsConfig, AlsModel
from models.als_training import Factors, fit_als, from_mllib, loss, train_als
from models.base import Interactions, Taste
from models.retrieval import BATCH
from tests.models.contract import assert_citations_hold

EXPONENTS = pytest.mark.parametrize("exponent", [0, 0.6, 1])


def world(listeners: int = 90, tracks: int = 60, seed: int = 5) -> Interactions:
    random = np.random.default_rng(seed)
    plays = random.gamma(0.8, 2.0, (listeners, tracks)) * (random.random((listeners, tracks)) < 0.12)
    plays[0], plays[:, 1] = 0, 0  # a listener and a track without a play
    weights = csr_array(plays.astype(np.float32))
    return Interactions(weights, csr_array(np.zeros((tracks, tracks), np.float32)), plays.sum(axis=0))


def config(exponent: float, iterations: int = 6) -> AlsConfig:
    unobserved = 0.1 if 0 < exponent < 1 else 0.0
    return AlsConfig(8, 0.4, 3.0, iterations, exponent, unobserved_weight=unobserved)


def taste_of(interactions: Interactions, listener: int) -> Taste:
    row = interactions.weights.toarray()[listener].astype(np.float64)
    return Taste(np.flatnonzero(row), row[row > 0])


def dense_loss(factors: Factors, interactions: Interactions) -> float:
    """The formula of `models.als`, cell by cell."""
    r = interactions.weights.toarray().astype(np.float64)
    x, y, c = factors.listeners.astype(np.float64), factors.tracks.astype(np.float64), factors.config
    nu, (users, items) = c.frequency_exponent, (c.unobserved_weight * size for size in r.shape)
    fit = ((1 + c.alpha * r) * ((r > 0) - x @ y.T) ** 2).sum()
    listeners = (((r > 0).sum(axis=1) + items) ** nu * (x**2).sum(axis=1)).sum()
    return fit + c.regularisation * (listeners + (((r > 0).sum(axis=0) + users) ** nu * (y**2).sum(axis=1)).sum())


@EXPONENTS
def test_the_loss_is_that_of_the_formula_over_all_cells(exponent: float) -> None:
    interactions = world()
    factors = train_als(interactions, config(exponent))
    assert loss(factors, interactions) == pytest.approx(dense_loss(factors, interactions), rel=1e-9)


def test_half_a_step_of_the_loss_of_rendle_et_al_is_ours_but_for_the_scale() -> None:
    heard = world().weights.toarray() > 0
    alpha0, strength, nu = 0.25, 0.03, 0.7
    y, scale = np.random.default_rng(2).standard_normal((heard.shape[1], 8)), np.sqrt(1.0 + alpha0)
    ours = AlsModel.from_vectors(scale * y, AlsConfig(8, strength * 5.0, 4.0, 1, nu, unobserved_weight=alpha0))
    for row in heard[1:5]:
        penalty = strength * (row.sum() + alpha0 * len(row)) ** nu
        theirs = np.linalg.solve(y[row].T @ y[row] + alpha0 * y.T @ y + penalty * np.eye(8), y[row].sum(axis=0))
        found = ours.fold_in(Taste(np.flatnonzero(row), np.ones(row.sum())))
        np.testing.assert_allclose(found, scale * theirs, rtol=1e-4)


@EXPONENTS
def test_more_iterations_bring_the_loss_down(exponent: float) -> None:
    interactions = world()
    losses = [loss(train_als(interactions, config(exponent, iterations)), interactions) for iterations in (1, 3, 9)]
    assert losses[0] > losses[1] > losses[2]


@EXPONENTS
def test_a_few_steps_of_conjugate_gradients_end_where_exact_ones_do(exponent: float) -> None:
    interactions, exact = world(), config(exponent, iterations=30)
    stepped = train_als(interactions, replace(exact, conjugate_steps=3))
    assert loss(stepped, interactions) == pytest.approx(loss(train_als(interactions, exact), interactions), rel=2e-3)
    assert not stepped.tracks[1].any()


def test_the_number_of_threads_changes_no_bit_of_conjugate_gradients() -> None:
    interactions, chosen = world(), replace(config(0.6), conjugate_steps=3)
    one, two = (fit_als(interactions, chosen, threads) for threads in (1, 2))
    assert one.vectors.tobytes() == two.vectors.tobytes()


@EXPONENTS
def test_a_taste_folded_in_is_the_trained_listener(exponent: float) -> None:
    interactions = world()
    factors = train_als(interactions, config(exponent))
    model = factors.model()
    for listener, trained in enumerate(factors.listeners):
        np.testing.assert_allclose(model.fold_in(taste_of(interactions, listener)), trained, atol=1e-5)


def test_many_are_told_of_new_tracks_what_each_is_told_alone() -> None:
    """More tastes than are answered at once, in no order of how much they heard, nothing and nearly all included."""
    interactions, random = world(), np.random.default_rng(3)
    model = fit_als(interactions, config(1))
    counts = [0, 59, 1, *random.integers(0, 40, BATCH)]
    tastes = [Taste(np.sort(random.permutation(60)[:count]), np.ones(count)) for count in counts]
    for k in (5, 70):
        for taste, items in zip(tastes, model.recommend_many(tastes, k, new_only=True), strict=True):
            assert items[items >= 0].tolist() == model.recommend(taste, k, taste.tracks).items.tolist()


@EXPONENTS
def test_a_folded_in_listener_is_where_the_gradient_of_the_loss_is_zero(exponent: float) -> None:
    interactions = world()
    model = fit_als(interactions, config(exponent))
    taste, y = taste_of(interactions, 4), model.vectors.astype(np.float64)
    c, p = np.ones(model.tracks), np.zeros(model.tracks)
    c[taste.tracks] += 3.0 * taste.weights
    p[taste.tracks] = 1.0
    x = model.fold_in(taste)
    base = len(taste.tracks) + model.config.unobserved_weight * model.tracks
    gradient = -2 * y.T @ (c * (p - y @ x)) + 2 * 0.4 * base**exponent * x
    np.testing.assert_allclose(gradient, 0.0, atol=1e-9)


@EXPONENTS
def test_the_number_of_threads_changes_no_bit(exponent: float) -> None:
    interactions = world()
    one, two = (train_als(interactions, config(exponent), threads) for threads in (1, 2))
    assert one.tracks.tobytes() == two.tracks.tobytes()
    assert one.listeners.tobytes() == two.listeners.tobytes()


def test_what_is_published_is_the_tracks_side_of_the_training() -> None:
    interactions = world()
    published = fit_als(interactions, config(1))
    assert published.vectors.tobytes() == train_als(interactions, config(1)).tracks.tobytes()


def test_the_factors_of_mllib_become_the_same_model_and_unheard_tracks_the_zero_vector() -> None:
    fitted = fit_als(world(), config(1))
    heard = np.flatnonzero(np.abs(fitted.vectors).sum(axis=1))
    shuffled = np.random.default_rng(1).permutation(heard)
    model = from_mllib(shuffled, fitted.vectors[shuffled], fitted.tracks, config(1))
    assert model.vectors.tobytes() == fitted.vectors.tobytes()
    assert model.gram.tobytes() == fitted.gram.tobytes()


def test_mllib_minimises_no_loss_without_weighted_penalties() -> None:
    with pytest.raises(ValueError, match="frequency_exponent 1"):
        from_mllib(np.array([0]), np.zeros((1, 8)), 3, config(0))


@pytest.mark.parametrize("ids", [[0, 0], [0, 3], [-1, 0]])
def test_ids_that_are_no_positions_are_refused(ids: list[int]) -> None:
    with pytest.raises(ValueError, match="each once"):
        from_mllib(np.array(ids), np.zeros((2, 8)), 3, config(1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"regularisation": 0.0},
        {"alpha": -1.0},
        {"factors": 0},
        {"factors": 5_000},
        {"iterations": 0},
        {"frequency_exponent": 2},
        {"unobserved_weight": -0.1},
        {"conjugate_steps": -1},
    ],
)
def test_a_config_without_a_minimum_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        AlsConfig(**wrong)


@given(
    vectors=hnp.arrays(np.float32, (9, 3), elements=st.floats(-2, 2, width=32)),
    weights=st.lists(st.floats(0.01, 50.0), min_size=1, max_size=6),
    shares=st.lists(st.floats(0.05, 1.0), min_size=6, max_size=6),
    alpha=st.floats(0.1, 60.0),
    regularisation=st.floats(0.05, 20.0),
    exponent=st.sampled_from([0, 0.5, 1]),
    unobserved=st.sampled_from([0.0, 0.2]),
)
@settings(max_examples=150)
def test_every_cited_removal_lowers_the_recomputed_score(
    vectors: np.ndarray,
    weights: list[float],
    shares: list[float],
    alpha: float,
    regularisation: float,
    exponent: float,
    unobserved: float,
) -> None:
    chosen = AlsConfig(3, regularisation, alpha, 1, exponent, unobserved_weight=unobserved)
    model = AlsModel.from_vectors(vectors, chosen)
    taste = Taste(np.arange(len(weights)), np.array(weights))
    plays = taste.weights * np.array(shares[: len(weights)])
    items = np.arange(9)
    cited = model.explain(taste, items, plays)
    assert_citations_hold(model, taste, items, plays, cited.places, cited.drops)


def test_where_no_removal_lowers_the_score_nothing_is_cited() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], np.float32)
    model = AlsModel.from_vectors(vectors, AlsConfig(2, 1.0, 1.0))
    taste = Taste(np.array([0]), np.array([1.0]))
    cited = model.explain(taste, np.array([0, 1, 2]), np.array([1.0]))
    assert cited.places[:, 0].tolist() == [0, -1, -1]  # the second is unrelated, the third is its opposite


def test_a_long_history_is_explained_in_full() -> None:
    random = np.random.default_rng(3)
    model = AlsModel.from_vectors(random.standard_normal((900, 6)).astype(np.float32), AlsConfig(6, 1.0, 5.0))
    taste = Taste(np.arange(700), random.gamma(1.0, 1.0, 700) + 0.1)
    plays = np.minimum(1.0, taste.weights)
    items = np.arange(700, 720)
    cited = model.explain(taste, items, plays)
    assert (cited.places >= 0).all()
    assert_citations_hold(model, taste, items, plays, cited.places, cited.drops)
