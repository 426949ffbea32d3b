"""Names as attributes: counts of hashed pieces, for tracks and artists of which nothing but the name is known."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np
from scipy.sparse import coo_array, csr_array

BUCKETS = 1 << 14
SHORTEST, LONGEST = 3, 5


def name_pieces(names: Sequence[str], buckets: int = BUCKETS) -> csr_array:
    """Counts [names, buckets] of each name's words and of their pieces of 3 to 5 letters, by their hash.

    Pieces of letters are Cavnar and Trenkle 1994's, the hashing is Weinberger et al. 2009's. Case and accents do not
    count; an empty name has a row of zeros.
    """
    hashed = [[crc32(piece.encode()) % buckets for piece in _pieces(name)] for name in names]
    rows = np.repeat(np.arange(len(names)), [len(one) for one in hashed])
    columns = np.array([bucket for one in hashed for bucket in one], np.int64)
    return csr_array(coo_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(names), buckets)))


def _pieces(name: str) -> Iterator[str]:
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    for word in "".join(letter for letter in decomposed if not unicodedata.combining(letter)).split():
        yield word
        edged = f"<{word}>"
        for size in range(SHORTEST, LONGEST + 1):
            yield from (edged[at : at + size] for at in range(len(edged) - size + 1))
