"""Other stream processors on the same Kafka: a row a listener, a message a play, their own state with its changelog.

What they keep, a count a listener, is less than a taste; each gets the form of message that it reads by default.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from bench.stream_rig import crowd
from deploy.local import environment

FAUST_MESSAGES, QUIX_MESSAGES = 40_000, 200_000
PARTITIONS = 4


def measured(bootstrap: str, listeners: int) -> dict[str, dict[str, float]]:
    """Messages a second and CPU us a message of each."""
    environment.install("quixstreams")
    quix = str(environment.folder("quixstreams") / "bin" / "python")
    programs = {
        "faust_table": (sys.executable, "faust_table.py", FAUST_MESSAGES),
        "quixstreams": (quix, "quix_state.py", QUIX_MESSAGES),
    }
    found = {}
    for name, (python, program, messages) in programs.items():
        topic = f"plays-{name}"
        _fill(bootstrap, topic, listeners, messages)
        with tempfile.TemporaryDirectory() as folder:
            command = [python, str(Path(__file__).with_name(program)), bootstrap, topic, str(messages), folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise RuntimeError(f"{program} ended with status {done.returncode}: {done.stderr[-2_000:]}")
        told = done.stdout
        found[name] = json.loads(told[told.rindex("{") : told.rindex("}") + 1])  # Faust moves the cursor beside it
    return found


def _fill(bootstrap: str, topic: str, listeners: int, messages: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    admin.create_topics([NewTopic(topic, PARTITIONS)])[topic].result()
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "lz4"})
    encode = msgspec.json.encode
    for number, play in enumerate(crowd(listeners, messages)):
        producer.produce(topic, key=play.listener_id.encode(), value=encode(play))
        if number % 10_000 == 0:
            producer.flush()
    producer.flush()
