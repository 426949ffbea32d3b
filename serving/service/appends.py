"""The threads that wait for the log: their own, so that nothing else waits with them; each call a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from warehouse.stores.log import LogUnavailable

THREADS = 32  # callers that share one sync of the log
PATIENCE_SECONDS = 6.0  # a little more than the log's own, which says more of what is wrong
_Answer = TypeVar("_Answer")


class Appends:
    """Runs what waits for the log. A call that found no thread in time is never begun."""

    def __init__(self, threads: int = THREADS, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._threads = ThreadPoolExecutor(threads, "appends")
        self._patience_seconds = patience_seconds

    async def run(self, work: Callable[[], _Answer]) -> _Answer:
        """What `work` returns. Raises `LogUnavailable` where that takes too long, and whatever `work` raises."""
        begun = asyncio.wrap_future(self._threads.submit(work))
        try:
            return await asyncio.wait_for(begun, self._patience_seconds)
        except TimeoutError as error:
            raise LogUnavailable(f"the log did not answer in {self._patience_seconds:g} s") from error

    def close(self) -> None:
        """Let what was begun end."""
        self._threads.shutdown(cancel_futures=True)
