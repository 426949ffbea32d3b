"""A benchmark small enough for a test: users of two tastes, in the format of LightGCN's lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np

USERS, ITEMS = 40, 24


def benchmark(folder: Path) -> Path:
    """Even users have even items, odd ones odd; a fifth of each list is held out."""
    random = np.random.default_rng(3)
    train, test = [], []
    for user in range(USERS):
        items = (random.permutation(ITEMS // 2)[:10] * 2 + user % 2).tolist()
        train.append(" ".join(map(str, [user, *items[:8]])))
        test.append(" ".join(map(str, [user, *items[8:]])))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.txt").write_text("\n".join(train))
    (folder / "test.txt").write_text("\n".join(test))
    return folder


def as_they_come(home: Path) -> None:
    """Own recipes that leave learners as they are, where the recipes of the real data would be taken."""
    (home / "recipes").mkdir(parents=True)
    (home / "recipes" / "gowalla.json").write_text('{"als": {}, "item-knn": {}}')
