"""The lake without a JVM: what is written is there, what changed is known, and what is told twice is one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from tests.jobs.tables import DAY, MONDAY, day_of, raw_play, raw_track, rows_of
from warehouse.stores.lake import Lake, NoSuchTable, OutdatedTable, day_after_newest, read
from warehouse.tables import FEATURES_MATRIX, RAW_PLAYS, RAW_SIGNALS, RAW_TRACKS, TABLES, Table


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def day(number: int) -> date:
    return day_of(MONDAY + number * DAY)


def plays(*days: int, prefix: str = "p", **more: Any) -> pa.Table:
    return rows_of(RAW_PLAYS, [raw_play(f"{prefix}{number}", MONDAY + number * DAY, **more) for number in days])


def ids(table: pa.Table) -> list[str]:
    return sorted(table["play_id"].to_pylist())


def test_what_is_appended_is_there_beside_what_was(lake: Lake) -> None:
    assert not lake.exists(RAW_PLAYS)
    lake.append(RAW_PLAYS, plays(0, 1))
    lake.append(RAW_PLAYS, plays(2))
    assert lake.read(RAW_PLAYS).schema.names == RAW_PLAYS.schema.names
    assert ids(lake.read(RAW_PLAYS)) == ["p0", "p1", "p2"]
    assert (lake.count(RAW_PLAYS), lake.count(RAW_PLAYS, [day(0), day(2), day(9)]), lake.version(RAW_PLAYS)) == (
        3,
        2,
        1,
    )


def test_a_stream_of_batches_is_one_commit(lake: Lake) -> None:
    rows = plays(*range(6))
    lake.append(RAW_PLAYS, pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=2)))
    assert (lake.count(RAW_PLAYS), lake.version(RAW_PLAYS), lake.rows_written(RAW_PLAYS)) == (6, 0, 6)


def test_what_is_replaced_is_gone(lake: Lake) -> None:
    lake.append(RAW_TRACKS, rows_of(RAW_TRACKS, [raw_track("s:1"), raw_track("s:2")]))
    lake.replace(RAW_TRACKS, rows_of(RAW_TRACKS, [raw_track("s:3")]))
    assert lake.read(RAW_TRACKS)["source_track_id"].to_pylist() == ["s:3"]


def test_other_columns_than_those_declared_are_refused_and_nothing_is_written(lake: Lake) -> None:
    with pytest.raises(
        ValueError, match=r"writing raw\.plays: found columns \['play_id'\], wanted \['play_id', 'listen"
    ):
        lake.append(RAW_PLAYS, plays(0).select(["play_id"]))
    assert not lake.exists(RAW_PLAYS)


def test_days_and_the_day_that_reading_ends_before_choose_partitions(lake: Lake) -> None:
    lake.append(RAW_PLAYS, plays(0, 1, 2, 5))
    assert lake.days(RAW_PLAYS) == {day(0), day(1), day(2), day(5)}
    assert ids(lake.read(RAW_PLAYS, days=[day(1), day(5)])) == ["p1", "p5"]
    assert ids(lake.read(RAW_PLAYS, as_of=day(2))) == ["p0", "p1"]
    assert ids(lake.read(RAW_PLAYS, days=[day(1), day(5)], as_of=day(5))) == ["p1"]
    assert lake.read(RAW_PLAYS, days=[]).num_rows == 0


@pytest.mark.parametrize("chosen", [{}, {"days": [date(2024, 12, 31)]}, {"as_of": date(2025, 1, 1)}, {"days": []}])
def test_arrow_pandas_and_duckdb_read_the_same_rows(lake: Lake, chosen: dict[str, Any]) -> None:
    lake.append(RAW_PLAYS, plays(0, 1, 2, 5))
    reading = lake.reading(RAW_PLAYS, columns=["play_id", "day"], **chosen)
    wanted = sorted(reading.arrow().to_pylist(), key=str)
    assert sorted(reading.pandas().to_dict("records"), key=str) == wanted
    assert sorted(({"play_id": p, "day": d} for p, d in reading.relation().fetchall()), key=str) == wanted


def test_an_older_version_can_be_read(lake: Lake) -> None:
    lake.append(RAW_PLAYS, plays(0))
    lake.append(RAW_PLAYS, plays(1))
    lake.delete(RAW_PLAYS, "play_id = 'p0'")
    assert [ids(lake.read(RAW_PLAYS, version=version)) for version in (0, 1, 2)] == [["p0"], ["p0", "p1"], ["p1"]]
    assert ids(read("raw.plays", version=1, lake=lake.url).arrow()) == ["p0", "p1"]
    assert lake.days(RAW_PLAYS, version=0) == {day(0)}


def test_a_table_that_nothing_has_written_says_so(lake: Lake) -> None:
    with pytest.raises(NoSuchTable, match=rf"reading raw\.plays: nothing at {lake.url}/raw/plays yet"):
        lake.read(RAW_PLAYS)
    assert (lake.version(RAW_PLAYS), lake.count(RAW_PLAYS), lake.days(RAW_PLAYS)) == (None, 0, set())
    assert lake.transaction(RAW_PLAYS, "app") is None
    assert lake.delete(RAW_PLAYS, "true") == 0


def test_a_table_that_is_not_declared_is_refused_with_those_that_are(lake: Lake) -> None:
    with pytest.raises(NoSuchTable, match=r"no such table; there are raw\.plays, raw\.tracks, "):
        read("raw.playz", lake=lake.url)


def test_a_program_reads_the_lake_that_the_environment_names(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.append(RAW_PLAYS, plays(0, 1))
    monkeypatch.setenv("BACKBEAT_LAKE", str(tmp_path))
    assert ids(read("raw.plays", as_of=day(1).isoformat()).arrow()) == ["p0"]


def test_only_days_whose_rows_changed_have_changed(lake: Lake) -> None:
    lake.append(RAW_PLAYS, plays(0, 1, 2))
    lake.append(RAW_PLAYS, plays(1, 4, prefix="q"))
    lake.delete(RAW_PLAYS, "play_id = 'p2'")
    assert lake.changed_days(RAW_PLAYS, None) == {day(0), day(1), day(4)}
    assert lake.changed_days(RAW_PLAYS, 0) == {day(1), day(2), day(4)}
    assert lake.changed_days(RAW_PLAYS, 1) == {day(2)}
    assert lake.changed_days(RAW_PLAYS, 2) == set()


def test_compaction_leaves_fewer_files_the_same_rows_and_no_changed_day(lake: Lake) -> None:
    for prefix in "abc":
        lake.append(RAW_PLAYS, plays(0, 1, prefix=prefix))
    before, version = lake.content_hash(RAW_PLAYS), lake.version(RAW_PLAYS)
    assert lake.compact(RAW_PLAYS) == 4
    assert lake.version(RAW_PLAYS) != version
    assert lake.content_hash(RAW_PLAYS) == before
    assert lake.changed_days(RAW_PLAYS, version) == set()
    assert lake.compact(RAW_PLAYS) == 0


def test_where_the_log_has_been_cleaned_every_day_may_have_changed(lake: Lake) -> None:
    for number in range(4):
        lake.append(RAW_PLAYS, plays(number))
    DeltaTable(lake.location(RAW_PLAYS)).create_checkpoint()
    for version in (1, 2):
        Path(lake.location(RAW_PLAYS), "_delta_log", f"{version:020d}.json").unlink()
    assert lake.changed_days(RAW_PLAYS, 2) == {day(3)}
    assert lake.changed_days(RAW_PLAYS, 0) == {day(number) for number in range(4)}


def test_vacuum_removes_what_no_kept_version_needs(lake: Lake) -> None:
    lake.append(RAW_PLAYS, plays(0))
    lake.append(RAW_PLAYS, plays(0, prefix="q"))
    lake.compact(RAW_PLAYS)
    assert lake.vacuum(RAW_PLAYS, keep_hours=24) == 0
    assert lake.vacuum(RAW_PLAYS, keep_hours=0) == 2
    assert ids(lake.read(RAW_PLAYS)) == ["p0", "q0"]


def test_a_commit_carries_what_it_was_made_from_and_later_ones_hide_it_not(lake: Lake) -> None:
    assert lake.commit_metadata(RAW_PLAYS) == {}
    lake.append(RAW_PLAYS, plays(0), metadata={"inputs": {"a": 1}})
    lake.append(RAW_PLAYS, plays(0, prefix="q"))
    lake.compact(RAW_PLAYS)
    assert lake.commit_metadata(RAW_PLAYS) == {"inputs": {"a": 1}}
    lake.append(RAW_PLAYS, plays(1), metadata={"inputs": {"a": 2}})
    assert lake.commit_metadata(RAW_PLAYS) == {"inputs": {"a": 2}}


def test_numbers_are_committed_with_the_rows_that_they_stand_for(lake: Lake) -> None:
    lake.append(RAW_PLAYS, plays(0), transactions={"topic/0": 4, "topic/1": 7})
    lake.append(RAW_PLAYS, plays(1), transactions={"topic/1": 9}, since=lake.version(RAW_PLAYS))
    lake.compact(RAW_PLAYS)
    found = [lake.transaction(RAW_PLAYS, app_id) for app_id in ("topic/0", "topic/1", "topic/2")]
    assert found == [4, 9, None]


def test_numbers_that_another_has_committed_since_they_were_looked_up_are_not_committed_again(lake: Lake) -> None:
    lake.append(RAW_PLAYS, plays(0), transactions={"topic/0": 4})
    since = lake.version(RAW_PLAYS)
    lake.append(RAW_PLAYS, plays(1), transactions={"topic/0": 5}, since=since)
    lake.append(RAW_PLAYS, plays(2), transactions={"topic/1": 9}, since=since)  # nobody else's
    for looked_up in (since, None):
        with pytest.raises(CommitFailedError):
            lake.append(RAW_PLAYS, plays(1), transactions={"topic/0": 5}, since=looked_up)
    assert lake.count(RAW_PLAYS) == 3


def test_the_content_hash_is_of_the_rows_whatever_their_order_and_files(lake: Lake, tmp_path: Path) -> None:
    other = Lake(str(tmp_path / "other"))
    rows = plays(0, 1, 2, 3)
    lake.append(RAW_PLAYS, rows)
    for place in (2, 0, 3, 1):
        other.append(RAW_PLAYS, rows.slice(place, 1))
    assert lake.content_hash(RAW_PLAYS) == other.content_hash(RAW_PLAYS)


def test_when_a_row_was_told_is_not_its_content_and_all_else_is(tmp_path: Path) -> None:
    def hash_of(name: str, rows: pa.Table) -> str:
        other = Lake(str(tmp_path / name))
        other.append(RAW_PLAYS, rows)
        return other.content_hash(RAW_PLAYS)

    same = hash_of("told", plays(0))
    assert hash_of("told again", plays(0, received_ms=7, import_id="i")) == same
    others = {
        hash_of("slot", plays(0, slot=0)),
        hash_of("land", plays(0, country="DE")),
        hash_of("d", plays(0, device="")),
    }
    assert len(others | {same}) == 4
    assert hash_of("twice", pa.concat_tables([plays(0), plays(0)])) != same
    assert hash_of("none", plays()) != hash_of("four times", pa.concat_tables([plays(0)] * 4))


def test_a_column_that_was_declared_later_is_added_and_unknown_in_older_rows(lake: Lake) -> None:
    older = replace(RAW_PLAYS, columns=tuple(c for c in RAW_PLAYS.columns if c.name not in {"device", "slot"}))
    lake.append(older, plays(0).select(older.schema.names))
    with pytest.raises(OutdatedTable, match=r"found raw\.plays without slot, device; .*`backbeat tables migrate` adds"):
        lake.append(RAW_PLAYS, plays(1))
    assert lake.add_missing_columns(RAW_PLAYS) == ["slot", "device"]
    assert lake.add_missing_columns(RAW_PLAYS) == []
    lake.append(RAW_PLAYS, plays(1, device="phone", slot=3))
    found = {row["play_id"]: (row["slot"], row["device"]) for row in lake.read(RAW_PLAYS).to_pylist()}
    assert found == {"p0": (None, None), "p1": (3, "phone")}
    assert lake.changed_days(RAW_PLAYS, 0) == {day(1)}


def test_a_table_that_is_not_there_lacks_no_column(lake: Lake) -> None:
    assert lake.add_missing_columns(RAW_PLAYS) == []


def test_deleting_says_how_many_rows_went_and_commits_nothing_for_none(lake: Lake) -> None:
    lake.append(RAW_PLAYS, plays(0, 1, 2))
    assert lake.delete(RAW_PLAYS, f"listener_id = 'ada' AND day >= '{day(1)}'") == 2
    assert lake.delete(RAW_PLAYS, "listener_id = 'bob'") == 0
    assert (ids(lake.read(RAW_PLAYS)), lake.version(RAW_PLAYS)) == (["p0"], 1)


@dataclass(frozen=True)
class BusyLake(Lake):
    """A lake where a row comes to a day after it was read, and before its rows are put in place anew; some times."""

    coming: list[pa.Table]

    def _write(self, table: Table, data: Any, mode: Any, *more: Any) -> None:
        if mode == "overwrite" and self.coming:
            Lake(self.url).append(table, self.coming.pop())
        super()._write(table, data, mode, *more)


def test_a_row_that_comes_while_its_day_is_rewritten_stays(lake: Lake) -> None:
    lake.append(RAW_PLAYS, plays(0, 1))
    busy = BusyLake(lake.url, [plays(0, prefix="late"), plays(0, prefix="later")])
    assert busy.delete(RAW_PLAYS, "play_id = 'p0'") == 1
    assert ids(lake.read(RAW_PLAYS)) == ["late0", "later0", "p1"]


def test_rows_go_from_a_table_without_days_and_what_comes_meanwhile_stays(lake: Lake) -> None:
    lake.append(RAW_TRACKS, rows_of(RAW_TRACKS, [raw_track("s:1"), raw_track("s:2")]))
    busy = BusyLake(lake.url, [rows_of(RAW_TRACKS, [raw_track(f"s:{late}")]) for late in (8, 9)])
    assert busy.delete(RAW_TRACKS, "source_track_id = 's:1'") == 1
    assert busy.update(RAW_TRACKS, "source_track_id IN ('s:2', 's:9')", {"title": "'Loom'"}) == 2
    found = {row["source_track_id"]: row["title"] == "Loom" for row in lake.read(RAW_TRACKS).to_pylist()}
    assert found == {"s:2": True, "s:8": False, "s:9": True}
    assert lake.delete(RAW_TRACKS, "source_track_id = 's:1'") == 0


def test_an_update_sets_columns_of_the_rows_that_it_names(lake: Lake) -> None:
    lake.append(RAW_PLAYS, plays(0, 1, 2))
    assert lake.update(RAW_PLAYS, "play_id IN ('p0', 'p2')", {"device": "'radio'", "slot": "1 + 1"}) == 2
    assert lake.update(RAW_PLAYS, "play_id = 'nobody'", {"device": "'radio'"}) == 0
    told = {row["play_id"]: (row["device"], row["slot"]) for row in lake.read(RAW_PLAYS).to_pylist()}
    assert told == {"p0": ("radio", 2), "p1": (None, None), "p2": ("radio", 2)}
    assert lake.update(RAW_SIGNALS, "true", {"rating": "1"}) == 0


def test_tables_lie_by_their_layer_and_are_partitioned_by_day_where_they_have_one(lake: Lake) -> None:
    lake.append(RAW_PLAYS, plays(0))
    lake.append(FEATURES_MATRIX, FEATURES_MATRIX.schema.empty_table())
    assert lake.location(RAW_PLAYS) == f"{lake.url}/raw/plays"
    assert DeltaTable(lake.location(RAW_PLAYS)).metadata().partition_columns == ["day"]
    assert DeltaTable(lake.location(FEATURES_MATRIX)).metadata().partition_columns == []


def test_a_table_is_read_in_the_declared_order_whatever_the_files_say(lake: Lake) -> None:
    rows = plays(0).select(list(reversed(RAW_PLAYS.schema.names)))
    write_deltalake(lake.location(RAW_PLAYS), rows, partition_by=["day"])
    assert lake.read(RAW_PLAYS).schema.names == RAW_PLAYS.schema.names


def test_every_table_can_be_made_and_read_empty(lake: Lake) -> None:
    for table in TABLES.values():
        lake.append(table, table.schema.empty_table())
        assert lake.read(table).schema.types == table.schema.types


def test_the_day_after_the_newest_takes_in_every_day() -> None:
    assert day_after_newest([day(3), day(7), day(5)]) == day(8)
    assert day_after_newest([]) is None
