"""Quix Streams with state in RocksDB and its changelog, updated for each event. BOOTSTRAP TOPIC MESSAGES FOLDER.

It runs in an environment of its own (requirements/quixstreams.txt).
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from quixstreams import Application

FIRST = 1_000  # messages before the clock starts


def main(bootstrap: str, topic: str, messages: int, folder: str) -> None:
    """Print messages a second and CPU us a message, and end."""
    app = Application(
        broker_address=bootstrap,
        consumer_group="bench-quix-state",
        auto_offset_reset="earliest",
        state_dir=folder,
        commit_interval=1.0,
        loglevel="ERROR",
    )
    plays = app.dataframe(app.topic(topic, value_deserializer="json", key_deserializer="str"))
    seen, began, used = 0, 0.0, 0.0

    def counted(play: dict[str, Any], state: Any) -> dict[str, Any]:
        nonlocal seen, began, used
        state.set("plays", state.get("plays", 0) + 1)
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
        return play

    app.run(plays.apply(counted, stateful=True))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
