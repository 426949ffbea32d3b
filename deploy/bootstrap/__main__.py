"""`python -m deploy.bootstrap`: what an environment needs beyond its locked packages; quick where all is there."""

from __future__ import annotations

import os
import subprocess
import sys

from deploy.bootstrap import java, project
from jobs.java import JarsMissing, JavaMissing, locked_jars, share_folder, sound


def main() -> None:
    """Install the command, a runtime and the jars; exit 1 with one line where that cannot be done."""
    project.install()
    try:
        java.install(share_folder(), os.environ.get("UV", "uv"))
        _jars()
    except (JavaMissing, JarsMissing, subprocess.CalledProcessError) as error:
        sys.exit(f"make install: {error}")


def _jars() -> None:
    folder = share_folder() / "jars"
    if all(sound(folder / jar.filename, jar) for jar in locked_jars()):
        return
    from deploy.bootstrap import jars  # its resolver takes half a second to load

    sys.stderr.write("Fetching Spark's jars (13 MB)\n")
    try:
        jars.install(folder)
    except jars.FetchFailed as error:
        sys.exit(f"make install: {error}; what arrived whole is kept, and the next make goes on from there")


if __name__ == "__main__":
    main()
