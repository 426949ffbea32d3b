"""Learners over unordered plays: each under the contract, and beside a dense reference of a few lines."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.base import Interactions, Taste
from models.bspm import Bspm, BspmConfig, fit_bspm
from models.ease import CatalogTooLarge, Ease, EaseConfig, fit_ease
from models.graph_filter import GraphFilter, GraphFilterConfig, fit_graph_filter
from models.item_knn import ItemKnn, ItemKnnConfig, fit_item_knn
from models.sparse_ease import SparseEase, SparseEaseConfig, fit_sparse_ease
from tests.models.contract import ModelContract, missing


def world(listeners: int = 70, tracks: int = 40, seed: int = 3) -> Interactions:
    random = np.random.default_rng(seed)
    plays = np.ceil(random.gamma(1.0, 3.0, (listeners, tracks))) * (random.random((listeners, tracks)) < 0.2)
    plays[0], plays[:, 1] = 0, 0  # a listener and a track without a play
    weights = csr_array(plays.astype(np.float32))
    return Interactions(weights, csr_array(np.zeros((tracks, tracks), np.float32)), plays.sum(axis=0))


def dense_ease(x: np.ndarray, ridge: float, a: float, b: float) -> np.ndarray:
    """EASE as its paper has it, of X scaled on both sides, and the tracks' scale put back."""
    users, items = (np.where(sums > 0, sums, 1.0) for sums in (x.sum(axis=1), x.sum(axis=0)))
    scaled = x * users[:, None] ** -a * items**-b
    inverse = np.linalg.inv(scaled.T @ scaled + ridge * np.eye(x.shape[1]))
    shares = -inverse / np.diag(inverse)
    np.fill_diagonal(shares, 0.0)
    return items[:, None] ** -b * shares * items**b * (x.sum(axis=0) > 0)


class MissingLeads(ModelContract):
    """The contract for models that do not recommend a track on the strength of itself."""

    def known_answer(self, _taste: Taste, listener: int) -> set[int]:
        return {int(missing(np.array([listener]))[0])}


class TestEase(MissingLeads):
    def fit(self, interactions: Interactions) -> Ease:
        return fit_ease(interactions, EaseConfig(regularisation=1.0))

    @pytest.mark.parametrize(("a", "b", "power"), [(0.0, 0.0, 0.0), (0.5, 0.25, 1.0)])
    def test_it_is_the_closed_form_in_one_matrix(self, a: float, b: float, power: float) -> None:
        interactions = world()
        model = fit_ease(interactions, EaseConfig(power, 0.7, a, b))
        x = interactions.weights.toarray().astype(np.float64)
        wanted = dense_ease(x**power * (x > 0), 0.7, a, b)
        np.testing.assert_allclose(model.shares, wanted, atol=2e-4)

    def test_a_catalog_beyond_the_memory_is_refused_before_anything_is_computed(self) -> None:
        with pytest.raises(CatalogTooLarge, match=r"40 tracks take .* memory_gb allows"):
            fit_ease(world(), EaseConfig(memory_gb=1e-9))


class TestSparseEase(MissingLeads):
    def fit(self, interactions: Interactions) -> SparseEase:
        return fit_sparse_ease(interactions, SparseEaseConfig(regularisation=1.0, neighbours=8))

    @pytest.mark.parametrize(("a", "b"), [(0.0, 0.0), (0.5, 0.25)])
    def test_with_every_track_in_the_support_it_is_ease(self, a: float, b: float) -> None:
        interactions = world(listeners=400)  # every two tracks have a listener in common
        model = fit_sparse_ease(interactions, SparseEaseConfig(0.0, 0.7, a, b, neighbours=40))
        wanted = dense_ease((interactions.weights.toarray() > 0).astype(np.float64), 0.7, a, b)
        np.testing.assert_allclose(model.shares.toarray(), wanted, atol=1e-5)

    def test_each_column_solves_the_regression_on_its_support(self) -> None:
        interactions = world()
        model = fit_sparse_ease(interactions, SparseEaseConfig(regularisation=2.0, neighbours=5))
        x, shares = (interactions.weights.toarray() > 0).astype(np.float64), model.shares.toarray()
        products = x.T @ x
        for track in range(40):
            gains = np.where(np.arange(40) == track, 0.0, products[track] / np.sqrt(np.diag(products) + 2.0))
            support = np.sort(np.argsort(-gains, kind="stable")[:5]) if gains.any() else np.empty(0, int)
            system = products[np.ix_(support, support)] + 2.0 * np.eye(len(support))
            wanted = np.zeros(40)
            wanted[support] = np.linalg.solve(system, products[support, track]) if len(support) else 0.0
            np.testing.assert_allclose(shares[:, track], wanted, atol=1e-5)


class TestItemKnn(MissingLeads):
    def fit(self, interactions: Interactions) -> ItemKnn:
        return fit_item_knn(interactions, ItemKnnConfig(neighbours=5))

    def test_similarity_is_the_shrunk_asymmetric_cosine_of_the_nearest(self) -> None:
        interactions = world()
        model = fit_item_knn(interactions, ItemKnnConfig(1.0, "none", 4, asymmetry=0.7, shrinkage=3.0))
        x = interactions.weights.toarray().astype(np.float64)
        squares = (x**2).sum(axis=0)
        similar = (x.T @ x) / (squares[:, None] ** 0.7 * squares**0.3 + 3.0)
        np.fill_diagonal(similar, 0.0)
        fourth = np.sort(similar, axis=0)[-4]
        np.testing.assert_allclose(model.shares.toarray(), np.where(similar >= fourth, similar, 0.0), rtol=1e-5)

    @pytest.mark.parametrize("weighting", ["tf-idf", "bm25"])
    def test_what_everybody_hears_tells_nothing(self, weighting: str) -> None:
        plays = np.array([[1, 2, 0], [3, 1, 0], [1, 0, 4]], np.float32)
        weights = csr_array(plays)
        nothing = csr_array(np.zeros((3, 3), np.float32))
        model = fit_item_knn(Interactions(weights, nothing, plays.sum(axis=0)), ItemKnnConfig(1.0, weighting))
        assert not model.shares.toarray()[0].any()


def dense_filters(x: np.ndarray, factors: int) -> tuple[np.ndarray, np.ndarray]:
    """R~'R~ and the ideal low-pass filter, both [tracks, tracks]."""
    users, items = (np.where(sums > 0, sums, 1.0) for sums in (x.sum(axis=1), x.sum(axis=0)))
    graph = x * users[:, None] ** -0.5 * items**-0.5
    vectors = np.linalg.svd(graph)[2][:factors]
    return graph.T @ graph, items[:, None] ** -0.5 * (vectors.T @ vectors) * items**0.5


class HeardAndMissing(ModelContract):
    """The contract for models that a heard track recommends itself, too."""

    def known_answer(self, taste: Taste, listener: int) -> set[int]:
        return {*taste.tracks.tolist(), int(missing(np.array([listener]))[0])}


class TestGraphFilter(HeardAndMissing):
    def fit(self, interactions: Interactions) -> GraphFilter:
        return fit_graph_filter(interactions, GraphFilterConfig(factors=2))

    def test_it_is_the_sum_of_both_filters(self) -> None:
        interactions = world()
        x = (interactions.weights.toarray() > 0).astype(np.float64)
        model = fit_graph_filter(interactions, GraphFilterConfig(factors=6, share=0.4))
        blur, ideal = dense_filters(x, 6)
        scores = model.filtered(csr_array(x.astype(np.float32))).T
        np.testing.assert_allclose(scores, x @ (blur + 0.4 * ideal), atol=2e-4)

    def test_so_many_listeners_that_a_batch_is_parted_change_nothing(self) -> None:
        everybody = np.arange(60_000)
        weights = csr_array((np.ones(120_000), (np.tile(everybody, 2), np.append(everybody % 7, everybody % 3))))
        nothing = csr_array(np.zeros((7, 7), np.float32))
        model = fit_graph_filter(Interactions(weights, nothing, np.ones(7)), GraphFilterConfig(factors=2))
        tastes = [Taste(np.array([place % 7]), np.ones(1)) for place in range(600)]
        scores = model.score_many(tastes)
        np.testing.assert_allclose(scores, scores[np.arange(600) % 7], atol=1e-6)
        np.testing.assert_allclose(scores[599], model.score_many(tastes[599:])[0], atol=1e-6)


class TestBspm(HeardAndMissing):
    def fit(self, interactions: Interactions) -> Bspm:
        return fit_bspm(interactions, BspmConfig(factors=2, sharpening=0.5))

    def test_sharpening_in_small_steps_is_the_exponential_of_the_filter(self) -> None:
        interactions = world()
        x = (interactions.weights.toarray() > 0).astype(np.float64)
        model = fit_bspm(interactions, BspmConfig(factors=6, share=0.4, sharpening=2.0, steps=8))
        blur, ideal = dense_filters(x, 6)
        values, vectors = np.linalg.eigh(blur)
        sharpened = vectors @ np.diag(np.exp(-2.0 * values)) @ vectors.T
        scores = model.filtered(csr_array(x.astype(np.float32))).T
        np.testing.assert_allclose(scores, x @ (blur + 0.4 * ideal) @ sharpened, atol=2e-4)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (EaseConfig, {"regularisation": 0.0}),
        (EaseConfig, {"track_exponent": -0.1}),
        (EaseConfig, {"power": 1.5}),
        (SparseEaseConfig, {"neighbours": 0}),
        (SparseEaseConfig, {"listener_exponent": 2.0}),
        (GraphFilterConfig, {"factors": 0}),
        (BspmConfig, {"sharpening": -1.0}),
        (ItemKnnConfig, {"weighting": "words"}),
        (ItemKnnConfig, {"asymmetry": 1.1}),
    ],
)
def test_settings_out_of_range_are_refused(kind: type, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        kind(**wrong)
