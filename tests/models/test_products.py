"""Sparse times dense: the same bits as scipy's, narrow or wide."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.products import product


@pytest.mark.parametrize("width", [0, 1, 127, 128, 300])
def test_a_product_is_scipys_to_the_last_bit(width: int) -> None:
    random = np.random.default_rng(1)
    matrix = csr_array(np.where(random.random((70, 50)) < 0.1, random.random((70, 50)), 0).astype(np.float32))
    dense = random.random((50, width), np.float32)
    for laid_out in (dense, np.asfortranarray(dense)):
        np.testing.assert_array_equal(product(matrix, laid_out), matrix @ laid_out)
