"""`backbeat`: each command is a module of this room, loaded when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from backbeat.interrupts import INTERRUPTED
from backbeat.output import BAD_USAGE, FAILED, BadUsage, CommandFailed, notice
from backbeat.settings import SettingError
from warehouse.stores.lock import LakeLocked
from warehouse.stores.log import LogUnavailable
from warehouse.stores.rows import RowsUnavailable
from warehouse.stores.runs import LedgerUnavailable

UNAVAILABLE = (LakeLocked, LogUnavailable, RowsUnavailable, LedgerUnavailable)

# name -> where it is; a command module is imported when its name is typed, so that each starts as fast as it can.
COMMANDS = {
    "doctor": "backbeat.doctor:doctor",
    "config": "backbeat.config:config",
    "demo": "backbeat.demo:demo",
    "import": "backbeat.importing:import_plays",
    "run": "backbeat.run:run",
    "runs": "backbeat.runs:runs",
    "train": "backbeat.train:train",
    "search": "backbeat.search:search",
    "evaluate": "backbeat.evaluate:evaluate",
    "experiment": "backbeat.experiment:app",
    "records": "backbeat.records:app",
    "recommend": "backbeat.recommend:recommend",
    "similar": "backbeat.similar:similar",
    "models": "backbeat.models:app",
    "serve": "backbeat.serve:serve",
    "stream": "backbeat.stream:stream",
    "stream-demo": "backbeat.stream_demo:stream_demo",
    "token": "backbeat.token:token",
    "stack": "backbeat.stack:app",
    "tables": "backbeat.tables:app",
    "replay": "backbeat.replay:replay",
    "ledger": "backbeat.ledger:ledger",
    "parity": "backbeat.parity:parity",
    "deadletters": "backbeat.deadletters:app",
    "sql": "backbeat.analyse:sql",
}


def application() -> App:
    """The command line with all its commands, none of them loaded yet."""
    app = App(
        name="backbeat",
        help="Plays in, explained recommendations out.",
        result_action="return_value",
        suppress_keyboard_interrupt=False,  # `main` has something to say to it
    )
    for name, target in COMMANDS.items():
        app.command(target, name=name)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exit 0 when it did what it was asked, 1 when it failed, 2 when asked wrongly, 130 by Ctrl-C."""
    try:
        application()(arguments, exit_on_error=False)
    except (CycloptsError, BadUsage) as error:
        if not isinstance(error, CycloptsError):  # cyclopts has printed its own
            notice(f"backbeat: {error}")
        sys.exit(BAD_USAGE)
    except (CommandFailed, SettingError, *UNAVAILABLE, OSError) as error:
        notice(f"backbeat: {error}")
        sys.exit(error.code if isinstance(error, CommandFailed) else FAILED)
    except KeyboardInterrupt:
        notice("backbeat: interrupted; `backbeat runs` says how far a run had come")
        sys.exit(INTERRUPTED)
