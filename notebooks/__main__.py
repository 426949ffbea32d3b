"""`python -m notebooks`: execute each on the lake of BACKBEAT_HOME, or on a small world where there is none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

from jobs.world import FILES, WorldConfig, generate
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_PLAYS

FOLDER = Path(__file__).resolve().parent
CHECKOUT = FOLDER.parent
CELL_SECONDS = 300
COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # of a traceback
SMALL = WorldConfig(listeners=400, tracks=800, plays=20_000, days=60)


class NotebookFailed(Exception):
    """A cell raised: says which notebook and cell, its code and its error."""


def main() -> None:
    """Execute all of them; exit 1 with the cell and its error where one fails."""
    try:
        with home_with_plays(os.environ) as home:
            for path in numbered():
                started = time.monotonic()
                execute(path, home, home.reports / "notebooks" / path.name)
                _say(f"{home.reports / 'notebooks' / path.name}: {time.monotonic() - started:.1f} s")
    except (NotebookFailed, subprocess.CalledProcessError) as error:
        sys.exit(f"notebooks: {error}")


def numbered(folder: Path = FOLDER) -> list[Path]:
    """The notebooks in their order."""
    return sorted(folder.glob("[0-9][0-9]_*.ipynb"))


@contextmanager
def home_with_plays(environment: Mapping[str, str]) -> Iterator[Home]:
    """The home that is set where its lake has plays; else a folder with a small world, gone afterwards."""
    home = Home.from_environment(environment)
    if Lake(home.lake_url).exists(CORE_PLAYS):
        yield home
        return
    with tempfile.TemporaryDirectory(prefix="backbeat-notebooks-") as folder:
        made = Home(Path(folder), str(Path(folder) / "lake"))
        _say(f"No plays in {home.lake_url}: the notebooks run on a small world, and what they draw is not kept")
        fill(made)
        yield made


def fill(home: Home) -> None:
    """Make a small world, and everything from its plays to a published model. Raises `CalledProcessError`."""
    generate(SMALL, home.root / "world")
    files = [str(home.root / "world" / name) for name in FILES]
    for arguments in (["import", *files], ["run", "daily"]):
        command = [sys.executable, "-m", "backbeat", *arguments]
        subprocess.run(command, cwd=CHECKOUT, env=environment_of(home), check=True, stdout=subprocess.DEVNULL)


def environment_of(home: Home) -> dict[str, str]:
    """This process's environment, with that home and its lake."""
    return {**os.environ, "BACKBEAT_HOME": str(home.root), "BACKBEAT_LAKE": home.lake_url}


def execute(source: Path, home: Home, target: Path) -> None:
    """Run one notebook from its first cell to its last, and write it with its outputs. Raises `NotebookFailed`."""
    notebook = nbformat.read(source, as_version=4)  # type: ignore[no-untyped-call]  # nbformat is typed in part
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(CHECKOUT)}},
        config=Config(KernelManager={"transport": "ipc"}),  # no ports, which others could connect to
    )
    try:
        client.execute(env=environment_of(home))
    except CellExecutionError as error:
        raise NotebookFailed(f"{source.name}: {COLOURS.sub('', str(error))}") from error
    finally:  # a notebook that failed shows how far it came
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)  # type: ignore[no-untyped-call]  # likewise


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
