"""What opens a listening session."""

from __future__ import annotations

from warehouse.rules.quantity import MINUTE_MS, Quantity

SILENCE_MS = 30 * MINUTE_MS


def opens_session(silence_ms: Quantity) -> Quantity:
    """Half an hour of silence, from the end of the last counted play to the start of this one, opens a session."""
    return silence_ms >= SILENCE_MS
