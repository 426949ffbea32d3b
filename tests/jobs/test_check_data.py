"""Data that is not fit to learn from is refused, with every finding in one message."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.check_data import judged_day, main, volume
from jobs.run import JobRun, StepRefused, Wiring
from tests.jobs.tables import DAY, MIN, MONDAY, day_of
from warehouse.rules.volume import LEAST_PLAYS
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_PLAYS, FEATURES_MATRIX

AS_OF = day_of(MONDAY + DAY)
LAST = AS_OF - timedelta(days=1)


def no_store() -> Any:
    raise AssertionError("these checks read the lake alone")


def job(folder: Path) -> JobRun:
    home = Home.from_environment({"BACKBEAT_HOME": str(folder)})
    return JobRun(Wiring(Lake(home.lake_url), home, no_store, no_store, lambda: MONDAY + 400 * DAY), AS_OF, no_store)


def played(play_id: str, started_ms: int = MONDAY, **more: Any) -> dict[str, Any]:
    row = {
        "play_id": play_id,
        "listener_id": "ada",
        "track_id": "t",
        "started_ms": started_ms,
        "ended_ms": started_ms + MIN,
        "played_ms": MIN,
        "source": "backbeat",
        "counts": True,
        "skipped": False,
        "country": None,
        "impression_id": None,
        "day": day_of(started_ms),
    }
    return row | more


def fill(run: JobRun, *plays: dict[str, Any], listeners: int = 1) -> None:
    nullable = pa.schema([field.with_nullable(True) for field in CORE_PLAYS.schema])
    run.lake.append(CORE_PLAYS, pa.Table.from_pylist(list(plays), nullable))
    known = {"track_id": "t", "weight": 1, "plays": 1, "last_started_ms": MONDAY}
    rows = [{"listener_id": f"l{n}", **known} for n in range(listeners)]
    run.lake.append(FEATURES_MATRIX, pa.Table.from_pylist(rows, FEATURES_MATRIX.schema))


def refusal(run: JobRun) -> str:
    with pytest.raises(StepRefused) as refused:
        main(run)
    return str(refused.value)


def test_sound_data_passes(tmp_path: Path) -> None:
    run = job(tmp_path)
    fill(run, played("a"), played("b", counts=False))
    main(run)
    assert run.tally.read == 2


def test_a_day_on_which_nothing_counted_is_refused(tmp_path: Path) -> None:
    run = job(tmp_path)
    fill(run, *(played(f"a{n}", MONDAY - DAY) for n in range(LEAST_PLAYS)), played("b", counts=False))
    assert f"counted plays on {LAST}: found none, wanted some" in refusal(run)


def test_plays_of_the_day_itself_and_later_do_not_count(tmp_path: Path) -> None:
    run = job(tmp_path)
    fill(run, played("a", MONDAY + DAY))
    assert "found none" in refusal(run)


def test_an_unknown_value_where_none_may_be_is_refused(tmp_path: Path) -> None:
    run = job(tmp_path)
    fill(run, played("a"), played("b", track_id=None), played("c", country=None))
    assert refusal(run).endswith("core.plays.track_id: found 1 unknown values, wanted none")


def test_a_row_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    run = job(tmp_path)
    fill(run, played("a"), played("a"), played("b"))
    assert "core.plays by listener_id, play_id: found 1 repeated, wanted none" in refusal(run)


def test_a_matrix_that_nobody_is_in_is_refused(tmp_path: Path) -> None:
    run = job(tmp_path)
    fill(run, played("a"), listeners=0)
    assert "features.matrix: found no rows, wanted some" in refusal(run)


def test_every_finding_is_told_at_once(tmp_path: Path) -> None:
    run = job(tmp_path)
    fill(run, *(played(f"a{n // 2}", MONDAY - DAY) for n in range(LEAST_PLAYS)), listeners=0)
    assert refusal(run).count("; ") == 2


def days_before(last_day: int, *others: int) -> dict[date, int]:
    return {LAST - timedelta(days=back): count for back, count in enumerate((last_day, *others))}


@pytest.mark.parametrize(("found", "refused"), [(9, True), (10, False), (100, False), (1_000, False), (1_001, True)])
def test_the_last_days_volume_is_judged_by_the_median_day_of_four_weeks(found: int, refused: bool) -> None:
    usual = [100, 90, 110, 100, 5_000, 1, 100]
    assert bool(volume(days_before(found, *usual), LAST)) is refused


def test_with_less_than_a_week_behind_it_only_an_empty_day_is_refused() -> None:
    assert volume(days_before(1, *[5_000] * 6), LAST) == []
    assert [finding.found for finding in volume(days_before(0, *[5_000] * 6), LAST)] == ["none"]


def test_days_older_than_four_weeks_are_not_what_is_usual() -> None:
    assert volume(days_before(10, *[100] * 28, *[10_000] * 60), LAST) == []


def test_where_few_play_a_day_may_be_empty() -> None:
    assert volume(days_before(0, *[99] * 28), LAST) == []


def test_a_day_that_has_only_begun_is_not_judged(tmp_path: Path) -> None:
    run = job(tmp_path)
    during = replace(run.wiring, clock_ms=lambda: MONDAY + 9 * DAY + MIN)
    assert judged_day(JobRun(during, day_of(MONDAY + 10 * DAY), run.start_spark)) == day_of(MONDAY + 8 * DAY)
    assert judged_day(JobRun(during, day_of(MONDAY), run.start_spark)) == day_of(MONDAY - DAY)
