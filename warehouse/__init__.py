"""What the data means and where it lives: events, tables, rules, and the stores that hold them."""

from warehouse.stores.lake import read

__all__ = ["read"]
