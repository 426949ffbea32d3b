"""`backbeat doctor` names what is missing, with the command that mends it."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from backbeat.cli import main
from backbeat.code_version import CHECKOUT
from backbeat.doctor import Verdict, database, examine, jars, packages, servers, writable
from deploy.local.servers import SERVERS
from warehouse.stores.sqlite_rows import SqliteRows


def lock_of(folder: Path, *lines: str) -> Path:
    lock = folder / "main.txt"
    lock.write_text("\n".join(f"{line} \\\n    --hash=sha256:{'0' * 64}\n    # via x" for line in lines))
    return lock


def test_what_is_installed_as_locked_is_well(tmp_path: Path) -> None:
    lock = lock_of(tmp_path, f"numpy=={version('numpy')}", "nothing==1.0 ; sys_platform == 'plan9'")
    finding = packages(lock)
    assert (finding.verdict, finding.found) == (Verdict.OK, "1 as locked")


def test_this_environment_is_as_locked() -> None:
    folder = CHECKOUT / "requirements"
    assert packages(folder / "main.txt").verdict is Verdict.OK


def test_a_package_that_is_not_as_locked_is_missing(tmp_path: Path) -> None:
    finding = packages(lock_of(tmp_path, "numpy==0.1", "no-such-package==1.0"))
    assert finding.verdict is Verdict.MISSING
    assert f"numpy {version('numpy')}, no-such-package not installed" in finding.found
    assert finding.mend is not None
    assert finding.mend.endswith("&& make install")


def test_jars_that_are_not_there_are_named_with_what_fetches_them(tmp_path: Path) -> None:
    finding = jars(tmp_path)
    assert finding.verdict is Verdict.MISSING
    assert "delta-storage-4.4.0.jar" in finding.found
    assert finding.mend == "make install"


def test_a_home_that_is_not_made_yet_can_be_written(tmp_path: Path) -> None:
    assert writable(tmp_path / "one" / "two").verdict is Verdict.OK


def test_a_home_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = writable(tmp_path / "file" / "home")
    assert finding.verdict is Verdict.MISSING
    assert finding.mend == "export BACKBEAT_HOME=FOLDER"


def test_a_server_that_is_not_installed_is_no_failure() -> None:
    away, here = servers({"away": lambda: False, "here": lambda: True})
    assert (away.verdict, away.mend) == (Verdict.ABSENT, "make servers")
    assert (here.verdict, here.mend) == (Verdict.OK, None)


def test_every_server_that_can_be_started_has_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    assert {finding.check for finding in examine()} >= {*SERVERS, "airflow"}


def test_a_new_home_has_neither_plays_nor_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    found = {finding.check: finding for finding in examine()}
    assert (found["lake"].verdict, found["lake"].mend) == (Verdict.ABSENT, "backbeat import PATH, or make run")
    assert (found["model"].verdict, found["model"].mend) == (Verdict.ABSENT, "backbeat run")


def test_state_that_is_no_state_is_not_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    for name in ("lake", "models"):
        (tmp_path / name).touch()
    (tmp_path / "rows.db").mkdir()
    (tmp_path / "log.db").write_bytes(b"no database" * 100)
    found = {finding.check: finding for finding in examine()}
    assert {found[name].verdict for name in ("lake", "model", "rows", "log")} == {Verdict.BROKEN}
    assert f"found {tmp_path / 'lake'} to be a file" in found["lake"].found
    assert "is a file; wanted a folder" in found["model"].found
    assert "is no file; wanted one of SQLite" in found["rows"].found
    assert "file is not a database" in found["log"].found


def test_databases_that_can_be_read_are_well(tmp_path: Path) -> None:
    SqliteRows(tmp_path / "rows.db").close()
    assert database("rows", tmp_path / "rows.db").verdict is Verdict.OK
    assert database("log", tmp_path / "log.db").verdict is Verdict.ABSENT


def test_a_setting_that_cannot_be_read_fails_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    monkeypatch.setenv("BACKBEAT_PORT", "eight")
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json"])
    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    told = json.loads(out)
    assert told["ok"] is False
    assert told["findings"][-1]["check"] == "settings"
