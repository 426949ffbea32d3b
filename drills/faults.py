"""What can go wrong, each as one function: it breaks something under load, and brings it back."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from drills.house import House, await_true
from streaming.features import FEATURES, group_of

OUT_SECONDS = 8.0  # longer than the time after which Kafka takes a silent worker for dead
FULL_SECONDS = 6.0  # the sink tries to land a few times


@dataclass(frozen=True)
class Fault:
    """`strike` breaks and mends, under load; `tellings` and `backfills` are the crowd's."""

    name: str
    strike: Callable[[House, Random], object]
    tellings: int = 1
    backfills: bool = False


def kill_api(house: House, random: Random) -> None:
    """The API dies between a listen and its answer."""
    del random
    house.api.kill()
    house.api.start()


def kill_worker(house: House, random: Random) -> None:
    """A worker dies between its rows and its offsets."""
    feature = random.choice(sorted(FEATURES))
    house.workers[feature].kill()
    time.sleep(random.random())
    house.workers[feature].start()


def kill_broker(house: House, random: Random) -> None:
    """Kafka dies, and comes back with what it had acknowledged."""
    house.broker.kill()
    time.sleep(random.random())
    house.broker.start()


def kill_valkey(house: House, random: Random) -> None:
    """The rows go away and come back."""
    house.valkey.kill()
    time.sleep(random.random())
    house.valkey.start()


def kill_sink(house: House, random: Random) -> None:
    """The lake sink dies in the middle of a commit or of none."""
    house.workers["sink"].kill()
    time.sleep(random.random())
    house.workers["sink"].start()


def rebalance(house: House, random: Random) -> None:
    """A second worker takes over half of the partitions, and leaves again without a word or in good order."""
    second = house.another("taste", f"second-{random.randrange(10**6)}")
    time.sleep(4 + 2 * random.random())
    second.end(random.choice((signal.SIGTERM, signal.SIGKILL)))


def zombie(house: House, random: Random) -> None:
    """A worker is taken for dead, another takes over, and the first wakes up with rows and records in hand."""
    house.workers["taste"].send(signal.SIGSTOP)
    heir = house.another("taste", f"heir-{random.randrange(10**6)}")
    time.sleep(OUT_SECONDS + random.random())
    house.workers["taste"].send(signal.SIGCONT)
    time.sleep(1)
    heir.end(signal.SIGKILL)


def replay(house: House, random: Random) -> None:
    """All topics are told again from their beginning to the workers of a feature."""
    feature = random.choice(sorted(FEATURES))
    house.workers[feature].end()
    rewind(house, feature)
    house.workers[feature].start()


def rewind(house: House, feature: str) -> None:
    """Move a consumer group without members back to the beginning."""
    admin = AdminClient({"bootstrap.servers": house.broker.address})
    group = group_of(FEATURES[feature])
    places = [
        TopicPartition(topic.name, partition, 0)
        for topic in FEATURES[feature].topics
        for partition in range(topic.partitions)
    ]

    def moved() -> bool:
        asked = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
        try:
            asked[group].result(10)
        except Exception:  # a group that still has a member is not to be moved: looked at again
            return False
        return True

    await_true(moved, f"the group {group} to be empty", 40)


def nothing(house: House, random: Random) -> None:
    """Only the crowd is odd."""
    del house
    time.sleep(random.random())


def full_disk(house: House, random: Random) -> None:
    """The lake's disk fills up under the sink, and has room again later."""
    del random
    filler = house.folder / "lake" / "filler"
    try:
        with filler.open("wb") as brim, suppress(OSError):
            while True:
                brim.write(b"\0" * 65_536)
                brim.flush()
        time.sleep(FULL_SECONDS)
    finally:
        filler.unlink()


def may_mount() -> bool:
    """Whether this process may mount a tmpfs."""
    trial = ["/usr/bin/unshare", "--mount", "/bin/mount", "-t", "tmpfs", "trial", "/mnt"]
    return os.geteuid() == 0 and subprocess.run(trial, capture_output=True, check=False).returncode == 0


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("kill-api", kill_api),
        Fault("kill-worker", kill_worker),
        Fault("kill-broker", kill_broker),
        Fault("kill-valkey", kill_valkey),
        Fault("kill-sink", kill_sink),
        Fault("rebalance", rebalance),
        Fault("zombie", zombie),
        Fault("replay", replay),
        Fault("retries", nothing, tellings=3),
        Fault("backfill", nothing, backfills=True),
        Fault("full-disk", full_disk),
    )
}
