from __future__ import annotations

from aiokafka.cluster import ClusterMetadata

from streaming.workers.sharing import DeclaredShares
from warehouse.events import ERASURES, PLAYS, SIGNALS


def groups(topics: set[str], *clients: str) -> dict[int, list[set[str]]]:
    """As a broker that knows no topic yet would have them shared: topics that go together, by their partitions."""
    subscriptions = {client: sorted(topics) for client in clients}
    found = DeclaredShares._get_copartitioned_groups(topics, ClusterMetadata(), subscriptions)
    return {partitions: [set(together) for together in some] for partitions, some in found.items()}


def test_a_cluster_that_tells_of_no_topic_leaves_no_worker_without_a_share() -> None:
    topics = {topic.name for topic in (PLAYS, SIGNALS, ERASURES)}
    assert groups(topics, "first", "second") == {PLAYS.partitions: [topics]}


def test_a_topic_that_nobody_declared_and_nobody_knows_is_left_out() -> None:
    assert groups({PLAYS.name, "somebody-elses"}, "first") == {PLAYS.partitions: [{PLAYS.name}]}
