"""`backbeat deadletters`: what came on the event log and could not be read, and trying again what now can be."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from cyclopts import App

from backbeat.output import Flag, console, emit, notice, refuse_beyond, table
from backbeat.settings import Settings
from backbeat.wiring import open_lake, open_log
from warehouse.stores.deadletters import DeadLetter, dead_letters
from warehouse.stores.deadletters import replay as replay_letters
from warehouse.stores.lock import LakeLock
from warehouse.stores.log import now_ms

app = App(name="deadletters", help="What came on the event log and could not be read.")
MOST = 1_000_000  # letters that one call lists
_COLUMNS = ["topic", "partition", "offset", "position", "appended", "listener", "bytes", "reason", "replayed"]


@app.default
def list_letters(*, all: Flag = False, limit: int = 100, json: Flag = False) -> None:  # noqa: A002 (the option's name)
    """Those that wait, in the order of the log, once they have landed in the lake.

    Args:
        all: Those that were replayed too.
        limit: How many, the newest of them.
        json: One JSON document on one line.
    """
    refuse_beyond("--limit", limit, MOST)
    letters = dead_letters(open_lake(Settings.from_environment()), replayed=all, limit=limit)
    if json:
        emit({"dead_letters": [_told(letter, letter.reason) for letter in letters]})
    elif letters:
        console().print(table("dead letters", _COLUMNS, [_row(letter, letter.reason) for letter in letters]))
    else:
        console().print("No dead letters.")


@app.command
def replay(*, json: Flag = False) -> None:
    """Append those that can be read by now, each once; say of the others what they still lack.

    Args:
        json: One JSON document on one line.
    """
    settings = Settings.from_environment()
    with LakeLock(settings.home.lock, "replay dead letters"), closing(open_log(settings)) as log:
        done = replay_letters(open_lake(settings), log, now_ms)
    if json:
        emit({"appended": done.appended, "left": [_told(letter, reason) for letter, reason in done.left]})
        return
    if done.left:
        console().print(table("still dead", _COLUMNS, [_row(letter, reason) for letter, reason in done.left]))
    notice(f"{done.appended:,} appended again, {len(done.left):,} left.")


def _told(letter: DeadLetter, reason: str) -> dict[str, Any]:
    return {**letter._asdict(), "reason": reason}


def _row(letter: DeadLetter, reason: str) -> tuple[object, ...]:
    place = (letter.topic, str(letter.partition), str(letter.log_offset), str(letter.position))
    about = (letter.listener_id, letter.content_bytes, reason, _time(letter.replayed_ms))
    return (*place, _time(letter.received_ms), *about)


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(" ", "seconds")
