"""From rows of the lake to matrices, as of a day."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from models.history import History
from warehouse.rules.decay import HALF_LIFE_DAYS, TASTE_ENTRIES, UNIT, decay_weights

FIRST = date(2014, 1, 1)


def day(number: int) -> date:
    return date.fromordinal(FIRST.toordinal() + number)


def history(taste: list[tuple[str, str, int, int]], transitions: list[tuple[str, str, int, int]] = []) -> History:  # noqa: B006 (never changed)
    """Of taste rows (listener, track, day, plays) and transitions (from, to, day, times)."""
    columns = list(zip(*taste, strict=True))
    steps = list(zip(*transitions, strict=True)) or [(), (), (), ()]
    return History.from_tables(
        pa.table(
            {
                "listener_id": pa.array(columns[0], pa.string()),
                "track_id": pa.array(columns[1], pa.string()),
                "day": pa.array([day(number) for number in columns[2]], pa.date32()),
                "plays": pa.array(columns[3], pa.int32()),
                "last_started_ms": pa.array([number * 1_000 for number in columns[2]], pa.int64()),
            }
        ),
        pa.table(
            {
                "from_track_id": pa.array(steps[0], pa.string()),
                "to_track_id": pa.array(steps[1], pa.string()),
                "day": pa.array([day(number) for number in steps[2]], pa.date32()),
                "times": pa.array(steps[3], pa.int32()),
            }
        ),
    )


def test_a_play_of_the_day_before_weighs_one_and_of_a_half_life_earlier_one_half() -> None:
    known = history([("ada", "a", 0, 3), ("ada", "b", HALF_LIFE_DAYS, 1)]).known_before(day(HALF_LIFE_DAYS + 1))
    assert known.interactions.weights.toarray().tolist() == [[1.5, 1.0]]
    assert known.interactions.popularity.tolist() == [1.5, 1.0]
    assert known.plays.tolist() == [4]


def test_the_days_of_one_track_add_up_as_integers() -> None:
    known = history([("ada", "a", number, 2) for number in range(40)]).known_before(day(40))
    wanted = sum(2 * decay_weights()[39 - number] for number in range(40)) / UNIT
    assert known.interactions.weights.toarray()[0, 0] == np.float32(wanted)


def test_plays_of_the_day_and_later_are_unknown() -> None:
    rows = [("ada", "a", 0, 1), ("ada", "b", 5, 1), ("ben", "a", 6, 1)]
    known = history(rows, [("a", "b", 5, 4)]).known_before(day(5))
    assert (known.listeners.tolist(), known.tracks.tolist()) == ([0], [0])
    assert known.interactions.transitions.nnz == 0


def test_skips_alone_make_no_taste() -> None:
    known = history([("ada", "a", 0, 1), ("ben", "b", 0, 0)]).known_before(day(1))
    assert (len(known.listeners), len(known.tracks)) == (1, 1)


def test_transitions_of_earlier_days_are_counted_between_known_tracks() -> None:
    rows = [("ada", "a", 0, 1), ("ada", "b", 1, 1)]
    steps = [("a", "b", 0, 2), ("a", "b", 1, 3), ("b", "c", 1, 9)]
    known = history(rows, steps).known_before(day(2))
    assert known.interactions.transitions.toarray().tolist() == [[0, 5], [0, 0]]


def test_a_listener_is_known_by_the_newest_entries() -> None:
    rows = [("ada", f"t{number:05}", number % 30, 1) for number in range(TASTE_ENTRIES + 60)]
    known = history(rows).known_before(day(30))
    assert known.interactions.weights.nnz == TASTE_ENTRIES
    assert known.interactions.weights.data.min() > 0.5 ** (29 / HALF_LIFE_DAYS)  # the oldest day has gone


def test_the_last_track_is_the_one_that_began_last() -> None:
    known = history([("ada", "b", 0, 9), ("ada", "a", 2, 1), ("ben", "b", 1, 1)]).known_before(day(3))
    assert known.last_tracks.tolist() == [0, 1]


def test_the_span_is_the_first_day_and_the_day_after_the_last() -> None:
    assert history([("ada", "a", 3, 1), ("ada", "b", 9, 1), ("ada", "c", 12, 0)]).span() == (day(3), day(10))


def test_a_history_of_nothing_has_no_span() -> None:
    with pytest.raises(ValueError, match="without a counted play"):
        history([("ada", "a", 3, 0)]).span()


def test_plays_become_counts_by_day_and_transitions_within_half_an_hour() -> None:
    minute = 60_000
    plays = [("ada", "a", 0), ("ada", "b", 5 * minute), ("ada", "a", 34 * minute), ("ada", "b", 64 * minute)]
    listeners, tracks, started = (np.array(column) for column in zip(*plays, strict=True))
    made = History.from_plays(listeners, tracks, started)
    assert made.plays.tolist() == [2, 2]
    assert np.stack([made.before, made.after, made.times]).T.tolist() == [[0, 1, 1], [1, 0, 1]]
    assert made.last_started_ms.tolist() == [34 * minute, 64 * minute]
