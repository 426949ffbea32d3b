"""Files with names, or of kinds, that nobody asked for."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from jobs.importers.told import ImportRefused
from tests.jobs.importers.conftest import Importing

PLAYS = "listener_id,started_ms,track_id\nada,1704110400000,1\nada,1,2\n"


def named(folder: Path, name: bytes, text: str = PLAYS) -> Path:
    """A file of that name. Skips where the file system takes none but UTF-8."""
    path = folder / os.fsdecode(name)
    try:
        path.write_text(text)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    return path


def test_a_name_that_is_no_utf8_is_told_with_its_bytes_escaped(bring: Importing) -> None:
    summary = bring(named(bring.folder, b"caf\xe9.csv"))
    assert [file.file for file in summary.files] == [r"caf\xe9.csv"]
    assert bring.quarantine("file", "line") == [(r"caf\xe9.csv", 3)]


def test_a_folder_and_a_refusal_tell_such_a_name_alike(bring: Importing) -> None:
    folder = bring.folder / os.fsdecode(b"\xff")
    folder.mkdir()
    named(folder, b"\xe9.csv", "")
    with pytest.raises(ImportRefused, match=r"importing .*\\xff: found 1 files that none of them claims"):
        bring(folder)
    with pytest.raises(ImportRefused, match=r"reading \\xe9\.csv: found an empty file"):
        bring(folder / os.fsdecode(b"\xe9.csv"))
    with pytest.raises(ImportRefused, match=r"reading .*/\\xfe: found nothing there"):
        bring(bring.folder / os.fsdecode(b"\xfe"))
    assert bring.versions() == [None, None, None]


def test_what_cannot_be_seen_in_a_name_is_escaped(bring: Importing) -> None:
    summary = bring(named(bring.folder, b"a\x1b[31m\n.csv"))
    assert [file.file for file in summary.files] == [r"a\x1b[31m\n.csv"]


def test_an_archive_with_such_names_is_brought_in(bring: Importing) -> None:
    path = bring.folder / "plays.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a\u202e\u00e9.csv", PLAYS)
    assert [file.file for file in bring(path).files] == [r"plays.zip/a\u202eé.csv"]


def test_links_in_a_circle_are_passed_over_and_refused_where_they_are_asked_for(bring: Importing) -> None:
    bring.write("many/plays.csv", PLAYS)
    (bring.folder / "many" / "loop").symlink_to(bring.folder / "many" / "loop")
    (bring.folder / "many" / "up").symlink_to(bring.folder / "many", target_is_directory=True)
    assert [file.file for file in bring(bring.folder / "many").files] == ["many/plays.csv"]
    with pytest.raises(ImportRefused, match="found nothing there"):
        bring(bring.folder / "many" / "loop")


def test_a_device_and_a_pipe_are_no_files(bring: Importing) -> None:
    os.mkfifo(bring.folder / "pipe")
    for path in (Path(os.devnull), bring.folder / "pipe"):
        with pytest.raises(ImportRefused, match="found nothing there; wanted a file"):
            bring(path)


def test_an_empty_folder_is_refused(bring: Importing) -> None:
    with pytest.raises(ImportRefused, match="found no files"):
        bring(bring.folder)


def test_a_file_that_the_system_does_not_let_us_read_is_refused(bring: Importing) -> None:
    memory = Path("/proc/self/mem")  # opens for anybody, and then fails at its first byte
    if not memory.exists():
        pytest.skip("this system has no /proc")
    with pytest.raises(ImportRefused, match=r"reading .*mem: .*wanted a file that can be read"):
        bring(memory)
    with pytest.raises(ImportRefused, match=r"reading .*: File name too long; wanted a file that can be read"):
        bring(Path("x" * 5_000))
    assert bring.versions() == [None, None, None]
