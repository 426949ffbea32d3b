"""How workers of a feature share the log's partitions: by what topics are declared to have."""

from __future__ import annotations

from typing import Any

from faust.assignor.partition_assignor import PartitionAssignor

from warehouse.events import TOPICS

_PARTITIONS = {topic.name: set(range(topic.partitions)) for topic in TOPICS}


class DeclaredShares(PartitionAssignor):
    """Faust's own sharing, but for where it learns of partitions.

    Faust asks the cluster's metadata. A broker that has just come back may tell of no topic yet: then nobody is given
    anything, nothing changes afterwards, and a worker sits there for ever.
    """

    @classmethod
    def _get_copartitioned_groups(cls, topics: set[str], cluster: Any, subscriptions: Any) -> Any:
        # Private in Faust, whose version is pinned; a test holds that an empty cluster leaves nobody without a share.
        return super()._get_copartitioned_groups(topics, _Declared(cluster), subscriptions)


class _Declared:
    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    def partitions_for_topic(self, topic: str) -> set[int]:
        """Those declared; of a topic that is not ours, those that the cluster knows."""
        return _PARTITIONS.get(topic) or self._cluster.partitions_for_topic(topic) or set()
