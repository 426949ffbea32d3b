"""Ctrl-C where no exception may be raised: while modules load, and while compiled code runs that calls back.

Python raises KeyboardInterrupt from whichever line runs next. In a callback of XLA that is lost, or takes the process
down with a segmentation fault; in a module that loads it is a traceback, or another error of that module's making.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

INTERRUPTED = 130  # what shells expect where Ctrl-C ended a program


def nothing() -> str:
    """What is said where nothing has been begun."""
    return ""


@contextmanager
def ends_at_once(said: Callable[[], str] = nothing) -> Iterator[None]:
    """Within it Ctrl-C ends the process where it stands, with 130, after `said` on standard error.

    Nothing is unwound, so it is for work that may be killed at any moment. Where Ctrl-C does something else already, as
    in a process that is told to ignore it, it still does.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def end(*_: object) -> None:
        with suppress(Exception):  # a stream that is being written to this very moment, or is closed
            sys.stdout.flush()
        if text := said():
            os.write(2, f"{text}\n".encode())
        os._exit(INTERRUPTED)

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
