"""What experiments read of the lake: input rows of outcomes and plays, output rows by listener, slot or play."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from tests.jobs.tables import DAY, HOUR, MONDAY, day_of
from tests.warehouse.shown import lake_of, play, slot
from warehouse.stores.experiments import POLICY, around_exposure, exposures, provenance, rounds
from warehouse.stores.lake import Lake, NoSuchTable


def test_an_exposure_is_the_first_answer_that_a_listener_was_shown(tmp_path: Path) -> None:
    shown = [slot("bo", MONDAY + 5), slot("ada", MONDAY + DAY), slot("ada", MONDAY + 9, shelf="next")]
    lake = lake_of(tmp_path, shown, [play("ada", MONDAY)])
    assert exposures(lake).to_pylist() == [
        {"listener_id": "bo", "shown_ms": MONDAY + 5, "arm": None},
        {"listener_id": "ada", "shown_ms": MONDAY + 9, "arm": None},
    ]
    assert exposures(lake, shelf="discover")["shown_ms"].to_pylist() == [MONDAY + 5, MONDAY + DAY]
    assert exposures(lake, since=day_of(MONDAY + DAY))["listener_id"].to_pylist() == ["ada"]
    assert len(exposures(lake, shelf="no such shelf' OR 1=1 --")) == 0


def test_an_exposure_to_an_experiment_is_the_first_under_it_with_its_arm(tmp_path: Path) -> None:
    shown = [
        slot("ada", MONDAY),
        slot("ada", MONDAY + 1, experiment="one", arm="b"),
        slot("ada", MONDAY + 2, experiment="one", arm="a"),
        slot("bo", MONDAY, experiment="other", arm="a"),
    ]
    found = exposures(lake_of(tmp_path, shown, [play("ada", MONDAY)]), "one")
    assert found.to_pylist() == [{"listener_id": "ada", "shown_ms": MONDAY + 1, "arm": "b"}]


@pytest.mark.parametrize(("metric", "value", "before"), [("plays", 3, 1), ("tracks", 2, 1), ("minutes", 6, 3)])
def test_days_around_an_exposure_begin_and_end_with_it(tmp_path: Path, metric: str, value: int, before: int) -> None:
    at = MONDAY + 5 * DAY + HOUR
    plays = [
        play("ada", at - 2 * DAY - 1),  # too early
        play("ada", at - 2 * DAY),
        play("ada", at, "t2"),
        play("ada", at + HOUR, "t2", played_ms=None),  # of unknown length
        play("ada", at + 2 * DAY - 1, "t3"),
        play("ada", at + HOUR, "t4", counts=False),
        play("ada", at + 2 * DAY, "t5"),  # too late
        play("cy", at + 3 * DAY),
    ]
    lake = lake_of(tmp_path, [slot("ada", at), slot("bo", at + 1), slot("cy", at + 2 * DAY)], plays)
    assert around_exposure(lake, exposures(lake), metric, days=2).to_pylist() == [
        {"listener_id": "ada", "arm": None, "day": day_of(at + 2 * DAY), "value": value, "before": before},
        {
            "listener_id": "bo",
            "arm": None,
            "day": day_of(at + 2 * DAY),
            "value": 0.0,
            "before": 0.0,
        },  # and cy's days are not over
    ]


def test_rounds_are_the_settled_slots_that_the_policy_speaks_of(tmp_path: Path) -> None:
    shown = [
        slot("ada", MONDAY, "t1", 0, outcome="played"),
        slot("ada", MONDAY, "t2", 1, propensity=None),
        slot("ada", MONDAY, "t3", 2),  # below a chance that nobody knows
        slot("bo", MONDAY, "t1", 0, outcome="open"),
        slot("bo", MONDAY, "t2", 1),
        slot("bo", MONDAY, "t3", 2),
        slot("cy", MONDAY, "t1", 0),  # of which the policy says nothing
        slot("cy", MONDAY, "t2", 1),
    ]
    said = [
        (f"ada {MONDAY}", 0, "t1", 0.25),
        (f"ada {MONDAY}", 0, "t9", 0.75),
        (f"ada {MONDAY}", 1, "t9", 1.0),
        (f"ada {MONDAY}", 2, "t3", 1.0),
        (f"bo {MONDAY}", 0, "t1", 1.0),
        (f"bo {MONDAY}", 1, "t2", 0.2),
        (f"bo {MONDAY}", 2, "t3", 0.1),
        (f"cy {MONDAY}", 1, "t2", 0.1),
    ]
    policy = pa.table(dict(zip(POLICY.names, map(list, zip(*said, strict=True)), strict=True)), schema=POLICY)
    logged, choices = rounds(lake_of(tmp_path, shown, [play("ada", MONDAY)]), policy)
    columns = ["round", "listener_id", "track_id", "slot", "propensity", "reward", "target", "above"]
    assert [tuple(row[column] for column in columns) for row in logged.to_pylist()] == [
        (0, "ada", "t1", 0, 0.5, 1.0, 0.25, 1.0),
        (1, "ada", "t2", 1, None, 0.0, 0.0, 0.5),
        (2, "ada", "t3", 2, 0.5, 0.0, 1.0, None),
        (3, "bo", "t2", 1, 0.5, 0.0, 0.2, 2.0),
        (4, "bo", "t3", 2, 0.5, 0.0, 0.1, 0.8),
        (5, "cy", "t2", 1, 0.5, 0.0, 0.1, None),
    ]
    assert [tuple(row.values()) for row in choices.to_pylist()] == [
        (0, "t1", 0, 0.25),
        (0, "t9", 0, 0.75),
        (1, "t9", 1, 1.0),
        (2, "t3", 2, 1.0),
        (3, "t2", 1, 0.2),
        (4, "t3", 2, 0.1),
        (5, "t2", 1, 0.1),
    ]


def test_a_play_is_recommended_where_its_answer_showed_its_track_to_its_listener(tmp_path: Path) -> None:
    answer = f"ada {MONDAY}"
    plays = [
        play("ada", MONDAY + 1, impression_id=answer),
        play("ada", MONDAY + 2, "t2", impression_id=answer),
        play("bo", MONDAY + 3, impression_id=answer),
        play("ada", MONDAY + 7 * DAY),
        play("ada", MONDAY + 4, impression_id=answer, counts=False),
    ]
    lake = lake_of(tmp_path, [slot("ada", MONDAY), slot("ada", MONDAY, place=1)], plays)
    told = sorted(tuple(row.values()) for row in provenance(lake).to_pylist())
    week, next_week = date(2024, 12, 30), date(2025, 1, 6)
    assert told == [
        ("ada", "t1", week, True),
        ("ada", "t1", next_week, False),
        ("ada", "t2", week, False),
        ("bo", "t1", week, False),
    ]
    assert len(provenance(lake, since=date(2025, 1, 1))) == 1


def test_a_lake_without_tables_is_told_apart_from_one_where_nothing_happened(tmp_path: Path) -> None:
    with pytest.raises(NoSuchTable):
        exposures(Lake(str(tmp_path)))
