"""A plain Faust worker: a table with its changelog, updated for each event. BOOTSTRAP TOPIC MESSAGES FOLDER."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

import faust
import uvloop

FIRST = 1_000  # messages before the clock starts


def main(bootstrap: str, topic: str, messages: int, folder: str) -> None:
    """Print messages a second and CPU us a message, and end."""
    app = faust.App(
        "bench-faust-table",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=folder,
        web_enabled=False,
        topic_disable_leader=True,
        topic_partitions=4,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        worker_redirect_stdouts=False,
    )
    plays = app.topic(topic, key_type=str, key_serializer="raw", value_serializer="json")
    counts = app.Table("counts", default=int, partitions=4)
    seen, began, used = 0, 0.0, 0.0

    @app.agent(plays)
    async def keep(stream: faust.StreamT[Any]) -> None:
        nonlocal seen, began, used
        async for play in stream:
            counts[play["listener_id"]] += 1
            seen += 1
            if seen == FIRST:
                began, used = time.perf_counter(), time.process_time()
            if seen == messages:
                seconds, cpu = time.perf_counter() - began, time.process_time() - used
                told = {
                    "messages_a_second": round((messages - FIRST) / seconds, 1),
                    "cpu_us_a_message": round(cpu / (messages - FIRST) * 1e6, 1),
                    "messages": messages,
                }
                sys.stdout.write(json.dumps(told) + "\n")
                sys.stdout.flush()
                os._exit(0)

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    faust.Worker(app, loglevel="ERROR", quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
