"""The formats that can be imported, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.importers import impressions, lastfm, listenbrainz, spotify, tabular, thirty_music
from jobs.importers.sample import Reading, Sample, Source
from jobs.importers.told import ImportedRows


@dataclass(frozen=True)
class Format:
    """One kind of file. `names_listeners`: whether it says whose each play is; None where that depends on the file.

    `recognises` is asked with the columns that the caller has mapped.
    """

    name: str
    wanted: str
    names_listeners: bool | None
    recognises: Callable[[Sample, Mapping[str, Source]], bool]
    read: Callable[[Path, Reading], Iterator[ImportedRows]]


TRACKS, IMPRESSIONS = "tracks", "impressions"  # the formats whose files tell of no play
FORMATS = (
    Format("30music", thirty_music.WANTED, True, thirty_music.recognises, thirty_music.read),
    Format("spotify", spotify.EXTENDED_WANTED, False, spotify.recognises_extended, spotify.read_extended),
    Format("spotify-account", spotify.ACCOUNT_WANTED, False, spotify.recognises_account, spotify.read_account),
    Format("listenbrainz", listenbrainz.WANTED, False, listenbrainz.recognises, listenbrainz.read),
    Format("lastfm", lastfm.WANTED, False, lastfm.recognises, lastfm.read),
    Format("table", tabular.WANTED, None, tabular.recognises, tabular.read),
    Format(TRACKS, tabular.TRACKS_WANTED, None, tabular.recognises_tracks, tabular.read_tracks),
    Format(IMPRESSIONS, impressions.WANTED, True, impressions.recognises, impressions.read),
)
BY_NAME = {known.name: known for known in FORMATS}
