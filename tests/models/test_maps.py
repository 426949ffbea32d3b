"""Maps of two dimensions: what is alike lies together."""

from __future__ import annotations

import numpy as np
import pytest

from models.maps import pca, tsne

GROUPS, EACH = 4, 30


@pytest.fixture
def grouped() -> tuple[np.ndarray, np.ndarray]:
    """Points around four directions of sixteen, and which each belongs to."""
    random = np.random.default_rng(5)
    group = np.repeat(np.arange(GROUPS), EACH)
    return np.eye(16)[group] + 0.1 * random.standard_normal((GROUPS * EACH, 16)), group


def test_nearest_on_the_map_is_of_the_same_group(grouped: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, group = grouped
    places = tsne(vectors, perplexity=10, steps=300)
    distances = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (group[distances.argmin(axis=1)] == group).all()
    within, between = (distances[(group[:, None] == group) == same].copy() for same in (True, False))
    assert within[np.isfinite(within)].mean() < 0.5 * between.mean()


def test_the_same_vectors_give_the_same_map_at_any_length(grouped: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, _ = grouped
    lengths = np.random.default_rng(1).integers(1, 3, len(vectors))[:, None] * 2.0
    first = tsne(vectors, perplexity=10, steps=20)
    assert first.tobytes() == tsne(vectors, perplexity=10, steps=20).tobytes()
    np.testing.assert_allclose(tsne(vectors * lengths, perplexity=10, steps=20), first, rtol=1e-6)


def test_principal_components_are_the_directions_of_most_variance() -> None:
    random = np.random.default_rng(2)
    points = random.standard_normal((500, 3)) * [1.0, 9.0, 3.0]
    found = pca(points)
    np.testing.assert_allclose(np.abs(np.corrcoef(found[:, 0], points[:, 1])[0, 1]), 1.0, atol=0.01)
    np.testing.assert_allclose(np.abs(np.corrcoef(found[:, 1], points[:, 2])[0, 1]), 1.0, atol=0.01)


def test_a_map_of_too_few_points_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted three times as many"):
        tsne(np.eye(20), perplexity=10)
