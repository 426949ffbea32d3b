"""Files that cannot be imported: each says what was found and what was wanted, and the lake stays as it was."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.importers.inputs import ArchiveLimits, inputs
from jobs.importers.told import ImportRefused
from tests.jobs.importers.conftest import Importing
from warehouse.stores.lock import LakeLock, LakeLocked

PLAYS = b"listener_id,started_ms,track_id\nada,1704110400000,1\n"


def parquet() -> bytes:
    rows = {"session_id": [1] * 9, "user_id": [5] * 9, "song_id": [9] * 9, "ts": range(1_704_110_400, 1_704_110_409)}
    buffer = io.BytesIO()
    pq.write_table(pa.table({**rows, "ts": pa.array(rows["ts"]), "playtime": [61] * 9}), buffer)
    return buffer.getvalue()


def misnamed() -> bytes:
    """Parquet of which one column has a name that is no UTF-8."""
    buffer = io.BytesIO()
    pq.write_table(pa.table({"listener_id": ["ada"], "trEck_id": ["1"], "started_ms": [1]}), buffer)
    return buffer.getvalue().replace(b"trEck", b"tr\xffck")


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def encrypted() -> bytes:
    """An archive whose directory says that its member is encrypted."""
    plain = bytearray(archive({"plays.csv": PLAYS}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", plain, plain.index(magic) + offset, 1)
    return bytes(plain)


BAD_FILES = {
    "an empty file": ("plays.csv", b"", "found an empty file; wanted"),
    "a truncated Parquet file": ("plays.parquet", parquet()[:-20], "damaged or cut-off Parquet"),
    "Parquet damaged inside": ("plays.parquet", parquet()[:4] + b"\xff" * 400 + parquet()[404:], "damaged or cut-off"),
    "Parquet with a name that is no UTF-8": ("plays.parquet", misnamed(), "damaged or cut-off Parquet file .'utf-8'"),
    "Parquet of something else": ("p.parquet", None, "found Parquet with the columns a; wanted"),
    "binary garbage": ("plays.csv", bytes(range(256)) * 9, "found bytes that are no text"),
    "text of another format": ("plays.csv", b"<html><body>hello</body></html>\n", "found text beginning with '<html>"),
    "a line of 10 MB": ("plays.csv", PLAYS + b"ada,1704110400000," + b"1" * 10_000_000 + b"\n", "line of more than"),
    "a quote never closed": ("plays.csv", PLAYS + b'ada,1,"' + b"x\n" * 1_200_000, "quote that is never closed"),
    "a JSON line of 10 MB": (
        "1.jsonl",
        b'{"listened_at":1,"track_metadata":{}}\n{"listened_at":"' + b"1" * 10_000_000,
        "bytes in line 2; wanted shorter",
    ),
    "a zip that is cut off": ("plays.zip", archive({"plays.csv": PLAYS * 99})[:-30], "damaged zip archive"),
    "a zip bomb": ("plays.zip", archive({"plays.csv": b"0" * 30_000_000}), r"zip bomb\?"),
    "a zip that leaves its folder": ("plays.zip", archive({"../plays.csv": PLAYS}), "leaves its folder"),
    "a zip with an absolute name": ("plays.zip", archive({"/etc/plays.csv": PLAYS}), "leaves its folder"),
    "a zip with a drive": ("plays.zip", archive({"C:\\plays.csv": PLAYS}), "leaves its folder"),
    "a zip with a member named a dot": ("plays.zip", archive({".": PLAYS}), r"'\.', which names no file; wanted"),
    "a header of 80 KB": (
        "plays.csv",
        PLAYS.replace(b"\n", b"," + b"x" * 80_000 + b"\n", 1),
        "found a first line of 65,536 bytes or more; wanted a shorter header",
    ),
    "an encrypted zip": ("plays.zip", encrypted(), "encrypted; wanted an archive without a password"),
    "an empty zip": ("plays.zip", archive({}), "found no files"),
    "a zip of nothing known": ("plays.zip", archive({"a.txt": b"hello", "b.txt": b"you"}), "found 2 files that none"),
}


@pytest.mark.parametrize("bad", BAD_FILES)
def test_a_bad_file_is_refused_and_the_lake_unchanged(bring: Importing, bad: Any) -> None:
    name, content, message = BAD_FILES[bad]
    if content is None:
        buffer = io.BytesIO()
        pq.write_table(pa.table({"a": [1]}), buffer)
        content = buffer.getvalue()
    bring(bring.write("good.csv", PLAYS))
    before = bring.versions()
    with pytest.raises(ImportRefused, match=message) as refusal:
        bring(bring.write(f"good/{name}", content), listener="me" if name == "1.jsonl" else None)
    assert "wanted" in str(refusal.value)
    assert bring.versions() == before


def test_one_bad_file_among_good_ones_keeps_all_of_them_out(bring: Importing) -> None:
    bring.write("many/a.csv", PLAYS)
    bring.write("many/b.parquet", parquet()[:-20])
    with pytest.raises(ImportRefused, match=r"many/b\.parquet"):
        bring(bring.folder / "many")
    assert bring.versions() == [None, None, None]


@pytest.mark.parametrize("limits", [ArchiveLimits(members=2), ArchiveLimits(unpacked_bytes=100)])
def test_an_archive_beyond_the_limits_is_refused_before_anything_is_unpacked(
    bring: Importing, tmp_path: Path, limits: Any
) -> None:
    file = bring.write("plays.zip", archive({f"{i}.csv": PLAYS for i in range(3)}))
    with pytest.raises(ImportRefused, match=r"found 3 files of 156 bytes unpacked; wanted at most"):
        list(inputs([file], tmp_path / "nowhere", limits))


def test_a_full_disk_is_not_taken_for_a_damaged_archive(bring: Importing, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    file = bring.write("plays.zip", archive({"plays.csv": PLAYS}))
    (tmp_path / f"{zlib.crc32(b'plays.zip'):08x}-0").symlink_to(full)  # where the member is unpacked to
    with pytest.raises(ImportRefused, match=r"unpacking plays\.zip: found no space left under .*; wanted room"):
        list(inputs([file], tmp_path))


def test_a_path_where_nothing_is_is_refused(bring: Importing) -> None:
    with pytest.raises(ImportRefused, match="found nothing there; wanted a file, a folder or a zip archive"):
        bring(bring.folder / "nowhere.csv")


def test_a_format_that_there_is_not_is_refused_with_those_there_are(bring: Importing) -> None:
    with pytest.raises(ImportRefused, match="found the format 'winamp'; wanted one of 30music, spotify"):
        bring(bring.write("a.csv", PLAYS), format_name="winamp")


def test_a_file_of_another_format_than_the_one_asked_for_is_refused(bring: Importing) -> None:
    with pytest.raises(ImportRefused, match=r"found text beginning .*; wanted spotify: Streaming_History"):
        bring(bring.write("a.csv", PLAYS), format_name="spotify", listener="me")


def test_a_listener_for_a_format_that_names_its_own_is_refused(bring: Importing) -> None:
    with pytest.raises(ImportRefused, match="30music says who listened; wanted no --listener"):
        bring(bring.write("plays.parquet", parquet()), listener="me")


@pytest.mark.parametrize("listener", ["", "a\nb", "x" * 257])
def test_a_listener_that_is_no_id_is_refused(bring: Importing, listener: Any) -> None:
    with pytest.raises(ImportRefused, match="wanted 1 to 256 printable characters"):
        bring(bring.write("a.csv", b"started_ms,track_id\n1704110400000,1\n"), listener=listener)


def test_an_import_waits_for_nobody_and_names_who_is_at_work(bring: Importing) -> None:
    file = bring.write("a.csv", PLAYS)
    with LakeLock(bring.home.lock, purpose="run daily"), pytest.raises(LakeLocked, match="run daily"):
        bring(file)


def test_nothing_is_left_beside_the_lake_after_a_refusal(bring: Importing) -> None:
    with pytest.raises(ImportRefused):
        bring(bring.write("a.csv", b"\0\0"))
    assert [path.name for path in bring.home.root.iterdir() if path.name.startswith("import-")] == []


FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZED
@given(content=st.binary(max_size=400), name=st.sampled_from(["a.csv", "a.json", "a.jsonl", "a.parquet", "a.zip"]))
def test_random_bytes_raise_nothing_but_a_refusal(bring: Importing, content: Any, name: Any) -> None:
    with pytest.raises(ImportRefused):
        bring(bring.write(name, content), listener="me")


@FUZZED
@given(data=st.data(), kind=st.sampled_from(["parquet", "zip", "csv", "json"]))
def test_a_good_file_with_bytes_changed_is_imported_or_refused(bring: Importing, data: Any, kind: Any) -> None:
    good = {
        "parquet": parquet(),
        "zip": archive({"plays.csv": PLAYS * 20}),
        "csv": PLAYS * 3,
        "json": b'[{"endTime":"2024-01-01 12:00","artistName":"Ada","trackName":"Loom","msPlayed":60000}]',
    }[kind]
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    listener = None if kind != "json" else "me"
    try:
        summary = bring(bring.write(f"changed.{kind}", bytes(changed)), listener=listener)
    except ImportRefused:
        return
    assert summary.rows == summary.added + summary.repeated + summary.ignored + summary.quarantined
