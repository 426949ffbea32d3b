"""A progress whose process ends, so to speak, when some checkpoints are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.progress import Checkpoint, KeptProgress


class Interrupted(Exception):
    """The training was interrupted."""


class CutShort(KeptProgress):
    """Raises `Interrupted` after so many checkpoints."""

    def __init__(self, path: Path, made_of: Mapping[str, Any], after: int) -> None:
        super().__init__(path, made_of)
        self._left = after

    def keep(self, checkpoint: Checkpoint) -> None:
        super().keep(checkpoint)
        self._left -= 1
        if not self._left:
            raise Interrupted
