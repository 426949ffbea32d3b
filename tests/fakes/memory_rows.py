"""The rows that tests stand on."""

from warehouse.stores.memory_rows import MemoryRows

__all__ = ["MemoryRows"]
