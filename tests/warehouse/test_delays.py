from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from warehouse.delays import WINDOW_MS, RecentDelays, added, bucket, percentile

NOON = 1_777_896_000_000


def test_a_percentile_is_at_most_a_tenth_above_what_it_was() -> None:
    delays = RecentDelays()
    for ms in range(1, 101):
        delays.add(ms, 1, NOON)
    counts = delays.counts(NOON)
    for share, exact in ((0.5, 50), (0.99, 99), (1.0, 100)):
        told = percentile(counts, share)
        assert told is not None
        assert exact <= told <= 1.1 * exact


def test_events_weigh_as_many_as_they_are() -> None:
    delays = RecentDelays()
    delays.add(10, 99, NOON)
    delays.add(5_000, 1, NOON)
    median, last = percentile(delays.counts(NOON), 0.5), percentile(delays.counts(NOON), 1.0)
    assert median is not None
    assert last is not None
    assert median < 11.1
    assert last >= 5_000


def test_what_is_older_than_a_minute_is_forgotten() -> None:
    delays = RecentDelays()
    delays.add(10, 1, NOON)
    assert delays.counts(NOON + WINDOW_MS - 1_000)
    assert not delays.counts(NOON + WINDOW_MS)
    assert percentile({}, 0.5) is None


@given(st.lists(st.tuples(st.floats(0, 1e7), st.integers(1, 9)), max_size=20), st.integers(0, 20))
def test_workers_added_up_say_what_one_would_have_said(told: list[tuple[float, int]], split: int) -> None:
    one, first, second = RecentDelays(), RecentDelays(), RecentDelays()
    for place, (ms, events) in enumerate(told):
        one.add(ms, events, NOON)
        (first if place < split else second).add(ms, events, NOON)
    assert added([first.counts(NOON), second.counts(NOON)]) == one.counts(NOON)


def test_no_delay_at_all_is_the_least() -> None:
    assert bucket(0) == bucket(0.3) == bucket(-4) == bucket(1) == 0
