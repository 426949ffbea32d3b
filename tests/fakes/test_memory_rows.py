from __future__ import annotations

import pytest

from tests.contracts.rows import RowsContract
from tests.fakes.memory_rows import MemoryRows


@pytest.fixture
def rows() -> MemoryRows:
    return MemoryRows()


class TestMemoryRows(RowsContract):
    pass
