from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from streaming.workers.standstill import Standstill

ENDS = {"plays/0": 9, "plays/1": 4}
DONE = {"plays/0": 9, "plays/1": 4}
BEHIND = {"plays/0": 9, "plays/1": 3}


def seconds_still(looks: Sequence[Mapping[str, int]]) -> float:
    """After a look each ten seconds, the log's ends being the same."""
    now = 0.0
    standstill = Standstill(lambda: now)
    still = 0.0
    for done in looks:
        still = standstill.seconds(done, ENDS)
        now += 10
    return still


@pytest.mark.parametrize(
    ("looks", "still"),
    [
        ([BEHIND], 0.0),
        ([BEHIND, BEHIND, BEHIND], 20.0),
        ([DONE, DONE, DONE], 0.0),
        ([{}, {}, {}], 20.0),
        ([BEHIND, BEHIND, {"plays/0": 9, "plays/1": -1}, BEHIND], 0.0),
        ([BEHIND, BEHIND, DONE, BEHIND, BEHIND], 10.0),
        ([{"plays/0": 7, "plays/1": 3}, {"plays/0": 8, "plays/1": 3}, {"plays/0": 9, "plays/1": 3}], 0.0),
    ],
)
def test_a_group_stands_still_while_it_is_behind_and_nothing_of_it_moves(
    looks: Sequence[Mapping[str, int]], still: float
) -> None:
    assert seconds_still(looks) == still
