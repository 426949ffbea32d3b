"""The types that the rules are written over."""

from __future__ import annotations

from typing import Any, TypeAlias

# An int, a NumPy array or a Spark Column: whatever has arithmetic and comparison. Python has no protocol that all
# three satisfy under a strict checker without naming Spark here, which this room may not import.
Quantity: TypeAlias = Any

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
