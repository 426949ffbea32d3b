from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """The API over real stores in a folder of its own, with a model published."""
    with House(tmp_path) as made:
        made.publish()
        yield made


@pytest.fixture
def bare_house(tmp_path: Path) -> Iterator[House]:
    """The same before the first model."""
    with House(tmp_path) as made:
        yield made
