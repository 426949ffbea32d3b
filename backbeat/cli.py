"""`backbeat`: each command is a module of this room, loaded when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError, Parameter, Token, convert

from backbeat.code_version import project_version
from backbeat.interrupts import INTERRUPTED
from backbeat.output import BAD_USAGE, FAILED, BadUsage, CommandFailed, notice
from backbeat.settings import SettingError
from warehouse.stores.lock import LakeLocked
from warehouse.stores.log import LogUnavailable
from warehouse.stores.rows import RowsUnavailable
from warehouse.stores.runs import LedgerUnavailable

UNAVAILABLE = (LakeLocked, LogUnavailable, RowsUnavailable, LedgerUnavailable)

# name -> where it is, and what it says of itself first. A command's module is imported when its name is typed, so that
# each starts as fast as it can: what the overview tells of all of them stands here too, and a test holds the two equal.
COMMANDS = {
    "doctor": (
        "backbeat.doctor:doctor",
        "Look at everything that Backbeat needs; exit 1 when something needed is missing or damaged.",
    ),
    "config": (
        "backbeat.config:config",
        "Print every setting: what it is, where that was set, and what it means. The secret's value is never shown.",
    ),
    "demo": (
        "backbeat.demo:demo",
        "Bring plays in, run the daily plan, show one listener's recommendations, and serve the API until Ctrl-C.",
    ),
    "import": (
        "backbeat.importing:import_plays",
        "Bring listening histories into the lake; what is there already is not added twice.",
    ),
    "run": ("backbeat.run:run", "Run a plan: daily, tables, train or upkeep."),
    "runs": ("backbeat.runs:runs", "What ran, as of which day, and how each step ended."),
    "tracks": ("backbeat.tracks:tracks", "Find tracks, and their ids, by words of title, artist and album."),
    "train": (
        "backbeat.train:train",
        "Fit a learner and keep its model; equal data, settings and seed give an equal hash.",
    ),
    "search": (
        "backbeat.search:search",
        "Search the settings of a learner, or the weights of a blend, on the validation split alone.",
    ),
    "evaluate": ("backbeat.evaluate:evaluate", "Measure models on plays that they have not seen, with 95% intervals."),
    "experiment": ("backbeat.experiment:app", "Experiments: who is in which arm, and what that says."),
    "records": ("backbeat.records:app", "Recorded runs of train, search and evaluate."),
    "recommend": ("backbeat.recommend:recommend", "What to play to a listener, and why."),
    "similar": ("backbeat.similar:similar", "The tracks most like a track."),
    "models": ("backbeat.models:app", "Published models."),
    "serve": ("backbeat.serve:serve", "Serve the API until Ctrl-C."),
    "stream": (
        "backbeat.stream:stream",
        "Run stream workers until Ctrl-C: all features, each in a process that is started again when it dies; or one.",
    ),
    "stream-demo": (
        "backbeat.stream_demo:stream_demo",
        "Start Kafka, Valkey, the workers and the API, let a crowd play, and show one listener's shelf until Ctrl-C.",
    ),
    "token": ("backbeat.token:token", "Sign a token for one listener."),
    "stack": ("backbeat.stack:app", "Real servers on this machine, on 127.0.0.1."),
    "tables": ("backbeat.tables:app", "The tables of the lake."),
    "replay": (
        "backbeat.replay:replay",
        "Tell the API the plays of a file that can be imported; their ids, sources and tracks are those of an import.",
    ),
    "ledger": (
        "backbeat.ledger:ledger",
        "Say where every play is that was accepted or imported, by the day it was heard, and whether any is missing.",
    ),
    "parity": (
        "backbeat.parity:parity",
        "Compare what the stream says with what the batch says: every listener's taste, trends, and outcomes.",
    ),
    "deadletters": ("backbeat.deadletters:app", "What came on the event log and could not be read."),
    "sql": ("backbeat.analyse:sql", "Analytics over the lake: a model's rows, or without one the list of models."),
}


def application(called: str | None = None) -> App:
    """The command line with all its commands, none of them loaded yet; the one that is `called` tells its own help."""
    app = App(
        name="backbeat",
        help="Plays in, explained recommendations out.",
        version=project_version,
        default_parameter=Parameter(converter=_converted),
        result_action="return_value",
        suppress_keyboard_interrupt=False,  # `main` has something to say to it
    )
    for name, (target, summary) in COMMANDS.items():
        app.command(target, name=name, help=None if name == called else summary)
    return app


def _converted(wanted: Any, tokens: Sequence[Token]) -> Any:
    """What was typed as the type that is wanted; 1.5 is no whole number, where cyclopts would round it."""
    if wanted in (int, int | None):
        for token in tokens:
            if "." in token.value:
                raise ValueError(f"found {token.value}; wanted a whole number")
    return convert(wanted, tokens)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exit 0 when it did what it was asked, 1 when it failed, 2 when asked wrongly, 130 by Ctrl-C."""
    try:
        words = sys.argv[1:] if arguments is None else list(arguments)
        application(next(iter(words), None))(words, exit_on_error=False)
    except (CycloptsError, BadUsage, SettingError) as error:
        if not isinstance(error, CycloptsError):  # cyclopts has printed its own
            notice(f"backbeat: {error}")
        sys.exit(BAD_USAGE)
    except (CommandFailed, *UNAVAILABLE, OSError) as error:
        notice(f"backbeat: {error}")
        sys.exit(error.code if isinstance(error, CommandFailed) else FAILED)
    except KeyboardInterrupt:
        notice("backbeat: interrupted; `backbeat runs` says how far a run had come")
        sys.exit(INTERRUPTED)
