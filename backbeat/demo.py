"""`backbeat demo`, which `make run` types: from plays to a served recommendation, in one command."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from backbeat.importing import import_plays
from backbeat.output import CommandFailed, console
from backbeat.recommend import recommend
from backbeat.run import run
from backbeat.settings import HOME, Settings
from backbeat.wiring import open_lake
from jobs.world import FILES, WorldConfig, generate
from warehouse.stores.lake import Lake
from warehouse.tables import FEATURES_MATRIX

ITEMS = 10
KEENER_SHARE = 0.05  # of listeners are keener than the one who is shown


def demo(
    *,
    plays: Path | None = None,
    listener: str | None = None,
    serve: Annotated[bool, Parameter(negative="--no-serve")] = True,
) -> None:
    """Bring plays in, run the daily plan, show one listener's recommendations, and serve the API until Ctrl-C.

    Args:
        plays: A file, folder or archive of plays; a synthetic world by default.
        listener: Whose plays they are, where the file does not say.
        serve: End in serving the API, or end at once.
    """
    home, usual = home_for(plays, os.environ), home_for(None, os.environ)
    os.environ[HOME.variable] = str(home)  # the commands below, and the API after them, are to use this one
    settings = Settings.from_environment()
    console().print(f"All state is in {home}. To look at it with other commands: export {HOME.variable}={home}")
    paths = [plays] if plays is not None else world_files(home / "world")
    import_plays(*map(str, paths), listener=listener)
    run()
    recommend(shown_listener(open_lake(settings)), n=ITEMS)
    if serve:
        become_the_api()
    else:
        console().print(next_step(home, usual, settings.port), markup=False, soft_wrap=True)


def next_step(home: Path, usual: Path, port: int) -> str:
    """How to go on to the API, which has to be told of a home that is not the usual one."""
    told = "" if home == usual else f"{HOME.variable}={shlex.quote(str(home))} "
    return f"To serve the API on port {port}: {told}make serve"


def home_for(plays: Path | None, environment: Mapping[str, str]) -> Path:
    """The home that is set, else one beside us: real plays have their own, so that worlds do not mix."""
    if named := environment.get(HOME.variable):
        return Path(named).expanduser().resolve()
    return Path(HOME.default if plays is None else f"{HOME.default}-{plays.resolve().stem}").resolve()


def world_files(folder: Path, config: WorldConfig | None = None) -> list[Path]:
    """The files of the default world, made where they are not there yet."""
    config = config or WorldConfig()
    files = [folder / name for name in FILES]
    if not all(file.is_file() for file in files):
        told = f"{config.listeners:,} listeners, {config.tracks:,} tracks, {config.days} days (docs/world.md)"
        console().print(f"Making a world of {told}", markup=False)
        generate(config, folder)
    return files


def shown_listener(lake: Lake) -> str:
    """A keen listener, but not the keenest: somebody whose recommendations have something to cite.

    Raises `CommandFailed` where nobody is in the matrix.
    """
    rows = lake.reading(FEATURES_MATRIX, columns=["listener_id", "track_id"]).relation()
    by_tracks = rows.aggregate("listener_id, count(*) AS tracks", "listener_id").order("tracks DESC, listener_id")
    listeners = [name for name, _ in by_tracks.fetchall()]
    if not listeners:
        raise CommandFailed(f"showing recommendations: found nobody in {FEATURES_MATRIX.name}; wanted some plays")
    return str(listeners[int(KEENER_SHARE * len(listeners))])


def become_the_api() -> None:
    """Go on as `backbeat serve`, in a process that holds nothing of what the run has loaded."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "backbeat", "serve"])  # noqa: S606 - our own interpreter, no shell
