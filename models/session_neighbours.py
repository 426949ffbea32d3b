"""What models of session neighbours have in common: they keep the training sessions, and weigh rare tracks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from models.base import Floats
from models.files import read_config, read_json, write_arrays, write_json
from models.reaching import ReachingModel
from models.session_index import SessionIndex


@dataclass(frozen=True)
class SessionNeighbours(ReachingModel):
    """A model of an index of sessions. Its `settings`, of which `config` are some, have a `rarity`."""

    config: Any
    index: SessionIndex
    settings: ClassVar[type[Any]]

    @property
    def tracks(self) -> int:
        return self.index.tracks

    @cached_property
    def rarity(self) -> Floats:
        """idf(j)^rarity [tracks]."""
        return self.index.rarity**self.config.rarity

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        write_arrays(folder / "arrays.npz", self.index.arrays())

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = read_config(cls.settings, read_json(folder / "config.json"), folder / "config.json")
        return cls(config, SessionIndex.load(folder / "arrays.npz"))
