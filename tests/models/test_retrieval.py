"""Pruned search gives what brute force gives: items, scores and the order of ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.retrieval import BATCH, FIRST, LISTED, InnerProducts, batches


def brute_force(vectors: np.ndarray, query: np.ndarray, k: int, exclude: np.ndarray) -> tuple[list[int], list[float]]:
    exact = (vectors.astype(np.float64) @ query.astype(np.float32).astype(np.float64)).astype(np.float32)
    order = [item for item in np.lexsort((np.arange(len(exact)), -exact)) if item not in exclude][:k]
    return order, exact[order].tolist()


def steep(items: int, seed: int = 0) -> np.ndarray:
    """Vectors whose lengths fall off as popularity does."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((items, 16)) * (1 + random.permutation(items))[:, None] ** -0.6
    return vectors.astype(np.float32)


small = st.integers(-3, 3).map(lambda whole: whole / 2)  # exact in float32, so that ties are ties


@given(
    vectors=hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(3)), elements=small),
    query=hnp.arrays(np.float32, 3, elements=small),
    k=st.integers(1, 50),
    data=st.data(),
)
def test_ties_zeros_and_exclusions_are_as_by_brute_force(
    vectors: np.ndarray, query: np.ndarray, k: int, data: st.DataObject
) -> None:
    exclude = np.array(sorted(data.draw(st.sets(st.integers(0, len(vectors) - 1)))), np.int64)
    found = InnerProducts.build(vectors).best(query, k, exclude)
    items, scores = brute_force(vectors, query, k, exclude)
    assert found.items.tolist() == items
    assert found.scores.tolist() == scores


@pytest.mark.parametrize("k", [1, 10, 300, FIRST + 1])
def test_beyond_the_first_block_it_is_as_by_brute_force(k: int) -> None:
    vectors, random = steep(6_000), np.random.default_rng(1)
    index = InnerProducts.build(vectors)
    queries = random.standard_normal((40, 16)).astype(np.float32)
    many, scores = index.best_many(queries, k)
    for query, items, row in zip(queries, many, scores, strict=True):
        exclude = random.choice(len(vectors), 30, replace=False)
        assert (items.tolist(), row.tolist()) == brute_force(vectors, query, k, np.empty(0, np.int64))
        alone = index.best(query, k, exclude)
        assert (alone.items.tolist(), alone.scores.tolist()) == brute_force(vectors, query, k, exclude)


def test_a_query_that_likes_nothing_is_still_exact() -> None:
    vectors = np.abs(steep(3_000))
    query = -np.abs(np.random.default_rng(2).standard_normal(16)).astype(np.float32)
    items, scores = brute_force(vectors, query, 10, np.empty(0, np.int64))
    found = InnerProducts.build(vectors).best_many(query[None], 10)
    assert (found[0][0].tolist(), found[1][0].tolist()) == (items, scores)


def test_many_queries_are_answered_in_their_order() -> None:
    vectors = steep(2_000)
    queries = np.random.default_rng(4).standard_normal((2_500, 16)).astype(np.float32)
    index = InnerProducts.build(vectors)
    many, _ = index.best_many(queries, 5)
    for row in (0, 1_023, 1_024, 2_499):
        assert many[row].tolist() == index.best(queries[row], 5).items.tolist()


def test_lists_longer_than_the_catalog_are_filled_with_nobody() -> None:
    items, scores = InnerProducts.build(np.eye(3, dtype=np.float32)).best_many(np.ones((2, 3)), 5)
    assert items.tolist() == [[0, 1, 2, -1, -1]] * 2
    assert scores[0].tolist() == [1, 1, 1, -np.inf, -np.inf]


def test_excluding_everything_leaves_nothing() -> None:
    assert len(InnerProducts.build(np.eye(3, dtype=np.float32)).best(np.ones(3), 2, np.arange(3))) == 0


def test_vectors_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        InnerProducts.build(np.array([[np.nan]], np.float32))


def test_batches_of_lists_follow_one_another_and_fit_in_memory() -> None:
    lengths = np.sort(np.concatenate([np.full(3 * BATCH, 20), np.full(50, LISTED // 10), [2 * LISTED]]))
    found = list(batches(lengths))
    assert [place for part in found for place in range(part.start, part.stop)] == list(range(len(lengths)))
    assert max(part.stop - part.start for part in found) == BATCH
    assert all((part.stop - part.start) * lengths[part.stop - 1] <= LISTED for part in found[:-1])
    assert found[-1] == slice(len(lengths) - 1, len(lengths))
    assert list(batches(lengths[:0])) == []
