from __future__ import annotations

import numpy as np

from warehouse.rules.quantity import MINUTE_MS
from warehouse.rules.sessions import opens_session


def test_half_an_hour_of_silence_opens_a_session() -> None:
    assert opens_session(30 * MINUTE_MS)
    assert not opens_session(30 * MINUTE_MS - 1)


def test_a_play_that_overlaps_the_last_one_opens_none() -> None:
    assert not opens_session(-5 * MINUTE_MS)


def test_it_says_of_an_array_what_it_says_of_each_number() -> None:
    silence_ms = np.array([-1, 0, 30 * MINUTE_MS - 1, 30 * MINUTE_MS, 90 * MINUTE_MS])
    assert opens_session(silence_ms).tolist() == [bool(opens_session(int(ms))) for ms in silence_ms]
