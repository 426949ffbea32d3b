"""What a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def timed(call: Callable[[], Answer], clock: Callable[[], float] = time.process_time) -> tuple[float, Answer]:
    """Seconds by the clock, and what the call answers; by default seconds of CPU of this process, all its threads.

    Where one thread works, what others do on the machine is then not counted.
    """
    began = clock()
    answer = call()
    return clock() - began, answer
