"""The formats that can be imported, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.importers import thirty_music
from jobs.importers.sample import Reading, Sample, Source
from jobs.importers.told import Told


@dataclass(frozen=True)
class Format:
    """One kind of file. `names_listeners`: whether it says whose each play is; None where that depends on the file.

    `recognises` is asked with the columns that the caller has mapped.
    """

    name: str
    wanted: str
    names_listeners: bool | None
    recognises: Callable[[Sample, Mapping[str, Source]], bool]
    read: Callable[[Path, Reading], Iterator[Told]]


FORMATS = (Format("30music", thirty_music.WANTED, True, thirty_music.recognises, thirty_music.read),)
BY_NAME = {known.name: known for known in FORMATS}
