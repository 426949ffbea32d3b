"""Titles and artists of tracks, read from the catalog rows and kept in memory while a model is published."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from warehouse.stores.rows import Rows, decoded
from warehouse.stores.tastes import BATCH_MENDS
from warehouse.taste import CATALOG, TrackCard

KEPT = 200_000
_decode = msgspec.msgpack.Decoder(TrackCard).decode


class Cards:
    """Cards by track id. A row may lie under another name of its track: the card says the track's own id."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._kept: dict[str, TrackCard] = {}

    def known(self, ids: Iterable[str]) -> dict[str, TrackCard]:
        """The cards of those tracks that the catalog has. Raises `RowsUnavailable`."""
        wanted = list(ids)
        kept = self._kept
        found = {track: kept[track] for track in wanted if track in kept}
        if len(found) < len(wanted):
            missing = [track for track in wanted if track not in found]
            rows = self._rows.get_many(CATALOG, missing)
            read = {track: decoded(CATALOG, track, row, _decode, BATCH_MENDS) for track, row in rows.items()}
            found.update(read)
            self._keep(read)
        return found

    def of(self, ids: Iterable[str]) -> dict[str, TrackCard]:
        """A card for each, nameless where the catalog has none. Raises `RowsUnavailable`."""
        wanted = list(ids)
        found = self.known(wanted)
        return {track: found.get(track) or TrackCard(track) for track in wanted}

    def own_names(self, ids: Iterable[str]) -> dict[str, str]:
        """The track's own id by each of these names; a name that no card knows is its own. Raises `RowsUnavailable`."""
        return {name: card.track_id for name, card in self.of(ids).items()}

    def forget(self) -> None:
        """Read everything anew: a model was published, and the catalog with it."""
        self._kept = {}

    def _keep(self, read: dict[str, TrackCard]) -> None:
        if len(self._kept) + len(read) > KEPT:
            self._kept = {}
        self._kept.update(read)
