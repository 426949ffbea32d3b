"""A small HetRec folder: listeners and artists of two kinds, and tags that tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

LISTENERS, ARTISTS = 40, 30


def hetrec(folder: Path) -> Path:
    """Each listener plays ten artists of their own kind, and tags half of them by kind and by a tag of their own."""
    random = np.random.default_rng(3)
    pairs = [
        (one, 100 + 2 * int(half) + one % 2)
        for one in range(LISTENERS)
        for half in random.permutation(ARTISTS // 2)[:10]
    ]
    tagged = [(one, artist) for one, artist in pairs if random.random() < 0.5]
    _write(folder / "user_artists.dat", "userID\tartistID\tweight", [(*pair, 7) for pair in pairs])
    rows = [(one, artist, 5 + artist % 2, 1, 4, 2009) for one, artist in tagged]
    own = [(one, artist, 1000 + one, 1, 4, 2009) for one, artist in tagged]  # a tag of one's own
    _write(folder / "user_taggedartists.dat", "userID\tartistID\ttagID\tday\tmonth\tyear", rows + own)
    _write(
        folder / "artists.dat",
        "id\tname\turl\tpictureURL",
        [(100 + at, f"Artist {at}", "", "") for at in range(ARTISTS)],
    )
    tags = [(5, "even"), (6, "odd"), *((1000 + one, f"mine {one}") for one in range(LISTENERS))]
    _write(folder / "tags.dat", "tagID\ttagValue", tags)
    return folder


def _write(path: Path, heading: str, rows: Sequence[tuple[object, ...]]) -> None:
    path.write_text("\n".join([heading, *("\t".join(map(str, row)) for row in rows)]) + "\n", encoding="latin-1")
