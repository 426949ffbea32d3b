"""What `make run` is made of: which home, which files, and whom it shows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from backbeat.demo import home_for, next_step, shown_listener, world_files
from backbeat.output import CommandFailed
from jobs.world import WorldConfig
from warehouse.stores.lake import Lake
from warehouse.tables import FEATURES_MATRIX

TINY = WorldConfig(listeners=20, tracks=60, plays=400, days=14)


def test_a_home_that_is_set_wins(tmp_path: Path) -> None:
    assert home_for(Path("x/plays.parquet"), {"BACKBEAT_HOME": str(tmp_path)}) == tmp_path


def test_the_world_and_real_plays_have_homes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert home_for(None, {}) == tmp_path / ".backbeat"
    assert home_for(Path("data/history.zip"), {}) == tmp_path / ".backbeat-history"


def test_the_world_is_made_once(tmp_path: Path) -> None:
    files = world_files(tmp_path, TINY)
    made = [file.stat().st_mtime_ns for file in files]
    assert world_files(tmp_path, TINY) == files
    assert [file.stat().st_mtime_ns for file in files] == made


def test_a_world_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    plays, *_ = world_files(tmp_path, TINY)
    whole = plays.read_bytes()
    plays.unlink()
    world_files(tmp_path, TINY)
    assert plays.read_bytes() == whole


def test_a_keen_listener_is_shown_but_not_the_keenest(tmp_path: Path) -> None:
    heard = [(f"listener-{n:02}", f"t{track}") for n in range(40) for track in range(n + 1)]
    columns = {"listener_id": [who for who, _ in heard], "track_id": [what for _, what in heard]}
    counts = {name: [1] * len(heard) for name in ("weight", "plays", "last_started_ms")}
    lake = Lake(str(tmp_path / "lake"))
    lake.append(FEATURES_MATRIX, pa.table({**columns, **counts}, schema=FEATURES_MATRIX.schema))
    assert shown_listener(lake) == "listener-37"


def test_nobody_to_show_is_said(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lake.append(FEATURES_MATRIX, FEATURES_MATRIX.schema.empty_table())
    with pytest.raises(CommandFailed, match=r"found nobody in features\.matrix"):
        shown_listener(lake)


def test_what_ends_without_serving_says_how_to_serve() -> None:
    usual, other = Path("/somewhere/.backbeat"), Path("/somewhere/.backbeat-my history")
    assert next_step(usual, usual, 8000) == "To serve the API on port 8000: make serve"
    assert next_step(other, usual, 9000) == (
        "To serve the API on port 9000: BACKBEAT_HOME='/somewhere/.backbeat-my history' make serve"
    )
