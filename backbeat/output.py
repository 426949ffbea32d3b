"""What every command says and how it ends: text for people, one JSON document on one line for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

FAILED, BAD_USAGE, FAILS_AGAIN = 1, 2, 3
Flag = Annotated[bool, Parameter(negative=())]  # an option that is given or not, without a --no- of it
Limit = Annotated[int, Parameter(name=["-n", "--limit"])]
_REPLACED = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160), *range(0xD800, 0xE000)], "\ufffd")
PLAIN_WIDTH = 160  # columns of a table where no terminal says how many there are


class CommandFailed(Exception):
    """The command could not do what it was asked; the message says what was being done, found and wanted."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class BadUsage(Exception):
    """The command was asked for something that it does not offer."""


def refuse_beyond(option: str, count: int, most: int) -> None:
    """Raise `BadUsage` where that option asks for none, or for more than `most`."""
    if not 1 <= count <= most:
        raise BadUsage(f"{option} is {count}; wanted 1 to {most:,}")


def console() -> Console:
    """Where people read: standard output, plain where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)


def notice(text: str) -> None:
    """A remark beside the answer: on standard error, so that `--json` stays alone on standard output."""
    Console(stderr=True, soft_wrap=not sys.stderr.isatty(), highlight=False).print(printable(text), markup=False)


def emit(document: Any) -> None:
    """The one line that `--json` prints. Takes whatever msgspec encodes."""
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    sys.stdout.flush()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table for people; numbers are set to the right, an unknown value (None) is a dash."""
    drawn = Table(title=escape(printable(title)), title_justify="left")
    numeric = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
    for name, right in zip(columns, numeric, strict=True):
        drawn.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    return drawn


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else escape(printable(str(value)))


def printable(text: str) -> str:
    """The text without what would command a terminal: a title or an id comes from anywhere."""
    return text.translate(_REPLACED)
