"""How a demo shows a shelf that changes: drawn in place on a terminal, a line a change elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from backbeat.output import console
from backbeat.players import Tally
from backbeat.visit import SHELF, Moment

TITLES = 4  # of a shelf that a line has room for


class Screen(Protocol):
    """What a demo tells."""

    def moment(self, told: Moment) -> None:
        """The shelf after a play."""

    def crowd(self, tally: Tally) -> None:
        """How far the crowd is."""


class Lines:
    """A line a moment, with how far the crowd is."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._crowd = ""

    def moment(self, told: Moment) -> None:
        titles = ", ".join(("+" if item["track_id"] in told.new else "") + _title(item) for item in told.items[:TITLES])
        line = (
            f'{told.listener} heard "{told.title}" by {told.artist}, {_seen(told)}; {SHELF}: {titles} ({self._crowd})'
        )
        self._screen.print(line, markup=False, soft_wrap=True)

    def crowd(self, tally: Tally) -> None:
        self._crowd = _counts(tally)


class Drawing:
    """A table that is drawn anew, with the page's address above it and the crowd below."""

    def __init__(self, live: Live, address: str) -> None:
        self._live = live
        self._address = address
        self._told: Moment | None = None
        self._counts = ""

    def moment(self, told: Moment) -> None:
        self._told = told
        self._draw()

    def crowd(self, tally: Tally) -> None:
        self._counts = _counts(tally)
        self._draw()

    def _draw(self) -> None:
        head = Text.from_markup(f"[bold]Backbeat[/], live at [bold cyan]{self._address}[/]   Ctrl-C stops it all\n")
        shelf = Text("The first track is playing.\n") if self._told is None else _drawn(self._told)
        self._live.update(Group(head, shelf, Text(f"crowd: {self._counts}", style="dim")))


@contextmanager
def screen_for(address: str) -> Iterator[Screen]:
    """The screen that suits standard output."""
    screen = console()
    if not screen.is_terminal:
        yield Lines(screen)
        return
    with Live(console=screen, refresh_per_second=4) as live:
        yield Drawing(live, address)


def _drawn(told: Moment) -> Group:
    heard = Text.from_markup(f"{escape(told.listener)} heard [bold]{escape(told.title)}[/] by {escape(told.artist)}, ")
    heard.append(f"{_seen(told)}\n", style="green")
    table = Table(title=f"{SHELF}, now", title_justify="left", expand=True)
    table.add_column("", no_wrap=True, width=3)
    for name, ratio in (("track", 3), ("artist", 2), ("why", 6)):
        table.add_column(name, ratio=ratio, no_wrap=True, overflow="ellipsis")
    for item in told.items:
        is_new = item["track_id"] in told.new
        cells = ("new" if is_new else "", _title(item), item["artist"] or "", item["reason"])
        table.add_row(*map(escape, cells), style="green" if is_new else "")
    return Group(heard, table)


def _title(item: dict[str, Any]) -> str:
    return str(item["title"] or item["track_id"])


def _seen(told: Moment) -> str:
    if told.seen_after_ms is None:
        return "no answer knows of it yet"
    return f"in the answers after {told.seen_after_ms:.0f} ms"


def _counts(tally: Tally) -> str:
    again = f", {tally.again:,} calls made again ({tally.last_fault})" if tally.again else ""
    return f"{tally.plays:,} plays, {tally.skips:,} skips, {tally.opinions:,} opinions{again}"
