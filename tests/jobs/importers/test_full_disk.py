"""A disk that is full is named, and the lake stays as it was."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from jobs.importers.room import needing_room
from jobs.importers.told import ImportRefused
from tests.jobs.importers.conftest import Importing
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.tables import RAW_TRACKS

SMALL_BYTES = 2 << 20
PLAY = "ada,1704110400000,1\n"
HEADER = "listener_id,started_ms,track_id\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if mount is None or unmount is None:
        pytest.skip("this system has no mount")
    small = [mount, "-t", "tmpfs", "-o", f"size={SMALL_BYTES}", "tmpfs", str(folder)]
    mounted = subprocess.run(small, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no right to mount a small disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run([unmount, str(folder)], check=True)


def plays(rows: int) -> str:
    """Plays of tracks that no packing makes smaller."""
    random = Random(7)  # noqa: S311 - a seeded history, not a secret
    return HEADER + "".join(f"ada,{1_704_110_400_000 + n * 60_000},{random.randbytes(60).hex()}\n" for n in range(rows))


def fill(folder: Path, leaving: int) -> None:
    (folder / "other").write_bytes(bytes(shutil.disk_usage(folder).free - leaving))


def test_a_disk_that_is_full_while_files_are_read_changes_nothing(bring: Importing, small_disk: Path) -> None:
    home = small_disk / "home"
    small = replace(bring, home=Home(home, str(home / "lake")))
    small(small.write("good.csv", HEADER + PLAY))
    before = small.versions()
    with pytest.raises(ImportRefused, match=rf"importing: found no space left under {home}; wanted room"):
        small(small.write("many.csv", plays(40_000)))
    assert small.versions() == before
    assert [path.name for path in home.iterdir() if path.name.startswith("import-")] == []


def test_a_lake_without_room_for_what_is_told_is_not_begun(bring: Importing, small_disk: Path) -> None:
    lake = small_disk / "lake"
    small = replace(bring, home=replace(bring.home, lake_url=str(lake)))
    small(small.write("good.csv", HEADER + PLAY))
    before = small.versions()
    fill(small_disk, leaving=500_000)
    with pytest.raises(ImportRefused, match=rf"importing: found [\d,]+ bytes free under {lake}; wanted [\d,]+"):
        small(small.write("many.csv", plays(4_000)))
    assert small.versions() == before
    (small_disk / "other").unlink()
    assert small(small.folder / "many.csv").added == 4_000


def test_an_archive_without_room_to_unpack_is_not_taken_for_a_damaged_one(bring: Importing, small_disk: Path) -> None:
    small = replace(bring, home=replace(bring.home, root=small_disk / "home"))
    many = small.write("many/plays.csv", plays(20_000)).parent
    archive = shutil.make_archive(str(small.folder / "many"), "zip", many)
    with pytest.raises(ImportRefused, match=r"unpacking many\.zip: found no space left"):
        small(Path(archive))
    assert small.versions() == [None, None, None]


def test_a_disk_that_delta_finds_full_is_told_as_such(small_disk: Path) -> None:
    random = Random(7)  # noqa: S311 - no secret
    fill(small_disk, leaving=100_000)
    tracks = [{"source_track_id": random.randbytes(60).hex()} for _ in range(5_000)]
    rows = pa.Table.from_pylist(tracks, schema=pa.schema([f.with_nullable(True) for f in RAW_TRACKS.schema]))
    with pytest.raises(ImportRefused, match="landing: found no space left"), needing_room("landing", small_disk):
        Lake(str(small_disk / "lake")).append(RAW_TRACKS, rows)
