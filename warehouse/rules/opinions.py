"""What a word on a track means for what is recommended."""

from __future__ import annotations

from warehouse.events import SignalKind

UNWANTED = frozenset({SignalKind.DISLIKE, SignalKind.DO_NOT_RECOMMEND})  # tracks whose last word is one stay away
