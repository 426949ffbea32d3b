"""What the data means and where it lives: events, tables, rules, and the stores that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warehouse.stores.lake import read

__all__ = ["read"]


def __getattr__(name: str) -> Any:
    """`read`, found when it is first asked for: the lake's client takes seconds that the other rooms need not wait."""
    if name == "read":
        from warehouse.stores.lake import read

        return read
    raise AttributeError(f"module 'warehouse' has no attribute {name!r}")
