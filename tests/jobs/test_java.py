"""How Java and Spark's jars are found."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from jobs.java import Jar, JarsMissing, JavaMissing, find_java, java_version, locked_jars, sound, spark_jars, use_java


def runtime(home: Path, version: str) -> Path:
    """A program that says what a Java of that version says."""
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    executable.chmod(0o755)
    return executable


def locked(folder: Path, content: bytes = b"jar") -> Path:
    lock = folder / "jars.txt"
    lock.write_text(f"# a comment\n\nio.delta:delta-storage:4.4.0 --hash=sha256:{sha256(content).hexdigest()}\n")
    return lock


@pytest.mark.parametrize(("told", "version"), [("17.0.15", 17), ("1.8.0_402", 8), ("21", 21), ("25.0.2", 25)])
def test_the_feature_release_is_read_from_what_java_says(tmp_path: Path, told: str, version: int) -> None:
    assert java_version(runtime(tmp_path, told)) == version


def test_what_does_not_start_has_no_version(tmp_path: Path) -> None:
    assert java_version(tmp_path / "bin" / "java") is None


def test_java_home_goes_before_the_path(tmp_path: Path) -> None:
    runtime(tmp_path / "named", "17.0.1")
    runtime(tmp_path / "found", "21.0.1")
    path = str(tmp_path / "found" / "bin")
    none = tmp_path / "none"
    assert find_java({"JAVA_HOME": str(tmp_path / "named"), "PATH": path}, none).version == 17
    assert find_java({"PATH": path}, none).version == 21


def test_a_java_too_old_is_passed_over_for_our_own(tmp_path: Path) -> None:
    runtime(tmp_path / "old", "11.0.2")
    runtime(tmp_path / "own", "25.0.2")
    environment = {"JAVA_HOME": str(tmp_path / "old"), "PATH": ""}
    assert find_java(environment, tmp_path / "own").home == tmp_path / "own"


def test_where_no_java_will_do_the_message_names_those_found_and_the_command_that_helps(tmp_path: Path) -> None:
    runtime(tmp_path / "old", "11.0.2")
    with pytest.raises(JavaMissing, match=r"found .*old \(11\); run `make install`"):
        find_java({"JAVA_HOME": str(tmp_path / "old"), "PATH": ""}, tmp_path / "none")


def test_the_java_that_was_found_is_what_spark_will_start(tmp_path: Path) -> None:
    runtime(tmp_path / "jdk", "17.0.15")
    environment = {"PATH": str(tmp_path / "jdk" / "bin")}
    assert use_java(environment).version == 17
    assert environment["JAVA_HOME"] == str(tmp_path / "jdk")


def test_a_jar_is_sound_with_the_locked_bytes_alone(tmp_path: Path) -> None:
    jar = Jar("g", "a", "1", sha256(b"jar").hexdigest())
    (tmp_path / jar.filename).write_bytes(b"jar")
    assert sound(tmp_path / "a-1.jar", jar)
    (tmp_path / jar.filename).write_bytes(b"ja")
    assert not sound(tmp_path / "a-1.jar", jar)
    assert not sound(tmp_path / "b-1.jar", jar)


def test_a_missing_jar_is_named_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(JarsMissing, match=r"delta-storage-4\.4\.0\.jar not found; run `make install`"):
        spark_jars(tmp_path, locked(tmp_path))
    (tmp_path / "delta-storage-4.4.0.jar").write_bytes(b"jar")
    assert [path.name for path in spark_jars(tmp_path, locked(tmp_path))] == ["delta-storage-4.4.0.jar"]


def test_a_line_of_the_lock_that_is_none_is_told(tmp_path: Path) -> None:
    lock = tmp_path / "jars.txt"
    lock.write_text("io.delta:delta-storage:4.4.0\n")
    with pytest.raises(JarsMissing, match="wanted GROUP:ARTIFACT:VERSION"):
        locked_jars(lock)


def test_the_lock_of_the_project_has_the_seven_jars_that_delta_needs() -> None:
    names = {jar.artifact for jar in locked_jars()}
    assert len(names) == 7
    assert {"delta-spark_4.2_2.13", "delta-storage", "delta-kernel-api", "delta-kernel-defaults"} <= names
