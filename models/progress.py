"""How a fit tells how far it has come: its curves, and what an interrupted one goes on from.

A learner whose fit has a parameter `progress` is given one. It tells the loss of each iteration and hands over its
state after it; when it is called again it asks for the latest state, and ends with the same bytes as if nothing had
happened. One checkpoint is kept, in one file that is replaced as a whole.
"""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import ModelBroken
from models.files import read_arrays, write_arrays

Arrays = Mapping[str, npt.NDArray[Any]]
_DOCUMENT = "document"
_OWN = "own "  # before the names of the arrays of a part's own
_FORMAT = 2  # of the document; what is of another is begun anew


@dataclass(frozen=True)
class Checkpoint:
    """The state of a fit after so many steps; `told` is what of it JSON holds, the state of a random generator say."""

    step: int
    arrays: Arrays
    told: Mapping[str, Any] = field(default_factory=dict)


class Progress:
    """Keeps nothing and listens to nothing: what a fit is given where nobody asks."""

    @property
    def listens(self) -> bool:
        """Whether what is told is heard, and kept: what costs something is computed for it only then."""
        return False

    def tell(self, curve: str, step: int, value: float) -> None:
        """A point of a curve. What is no number is left out."""

    def keep(self, checkpoint: Checkpoint) -> None:
        """The state after a step, with the curves up to it."""

    def latest(self) -> Checkpoint | None:
        """What there is to go on from."""
        return None


UNHEARD = Progress()


@dataclass(frozen=True)
class PartProgress(Progress):
    """That of one of several parts, fitted one after another: with its state goes what those `before` came to.

    Its curves are told with `curve_of` behind their names. A part may itself be made of parts.
    """

    whole: Progress
    before: Sequence[Arrays]
    curve_of: str = ""

    @property
    def listens(self) -> bool:
        return self.whole.listens

    def tell(self, curve: str, step: int, value: float) -> None:
        self.whole.tell(curve + self.curve_of, step, value)

    def keep_before(self) -> None:
        """Keep what those before came to, and nothing of this one."""
        self.whole.keep(_packed(self.before, None))

    def keep(self, checkpoint: Checkpoint) -> None:
        self.whole.keep(_packed(self.before, checkpoint))

    def latest(self) -> Checkpoint | None:
        found = self.whole.latest()
        if found is None or found.told["before"] != len(self.before) or found.told["own"] is None:
            return None
        own = {name.removeprefix(_OWN): array for name, array in found.arrays.items() if name.startswith(_OWN)}
        return Checkpoint(found.step, own, found.told["own"])


def _packed(before: Sequence[Arrays], own: Checkpoint | None) -> Checkpoint:
    """A checkpoint of parts: arrays are named by the place of their part, or as the own ones of the part at work."""
    arrays = {f"{place} {name}": array for place, part in enumerate(before) for name, array in part.items()}
    if own is None:
        return Checkpoint(0, arrays, {"before": len(before), "own": None})
    arrays |= {f"{_OWN}{name}": array for name, array in own.arrays.items()}
    return Checkpoint(own.step, arrays, {"before": len(before), "own": own.told})


def parts_before(checkpoint: Checkpoint | None) -> list[dict[str, npt.NDArray[Any]]]:
    """What the parts came to that were done when a `PartProgress` kept this."""
    if checkpoint is None:
        return []
    parts: list[dict[str, npt.NDArray[Any]]] = [{} for _ in range(checkpoint.told["before"])]
    for name, array in checkpoint.arrays.items():
        if not name.startswith(_OWN):
            place, _, of_part = name.partition(" ")
            parts[int(place)][of_part] = array
    return parts


class KeptProgress(Progress):
    """Curves in memory, and the latest checkpoint in a file.

    `made_of` is all that decides the model, as JSON has it. A checkpoint of anything else, and a damaged one, is not
    gone on from: `refused` then says why, and the fit begins anew. `steps` counts what was kept, in earlier fits too.
    """

    def __init__(self, path: Path, made_of: Mapping[str, Any]) -> None:
        self.curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self.refused, self.steps = "", 0
        self._path, self._made_of = path, json.loads(json.dumps(made_of))
        self._latest = self._read() if path.exists() else None

    @property
    def listens(self) -> bool:
        return True

    def tell(self, curve: str, step: int, value: float) -> None:
        if math.isfinite(value):
            self.curves[curve].append((step, value))

    def keep(self, checkpoint: Checkpoint) -> None:
        self.steps += 1
        document = {
            "format": _FORMAT,
            "made_of": self._made_of,
            "steps": self.steps,
            "step": checkpoint.step,
            "told": checkpoint.told,
            "curves": self.curves,
        }
        text = np.frombuffer(json.dumps(document).encode(), np.uint8)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        write_arrays(fresh, {**checkpoint.arrays, _DOCUMENT: text})
        with fresh.open("rb+") as stream:
            os.fsync(stream.fileno())  # else a power cut may leave the name with nothing in the file
        fresh.replace(self._path)

    def latest(self) -> Checkpoint | None:
        return self._latest

    @property
    def kept(self) -> bool:
        """Whether there is a checkpoint."""
        return self._path.exists()

    def end(self) -> None:
        """Forget the checkpoint: the model is there."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> Checkpoint | None:
        try:
            arrays = read_arrays(self._path, frozenset({_DOCUMENT}))
            document = json.loads(arrays.pop(_DOCUMENT).tobytes())
        except (ModelBroken, ValueError) as error:
            self.refused = f"it is damaged ({error})"
            return None
        if not isinstance(document, dict):
            self.refused = f"it is damaged (found a {type(document).__name__}, wanted a JSON object)"
            return None
        if document.get("format") != _FORMAT:
            self.refused = f"it is of format {document.get('format', 1)}, not {_FORMAT}"
            return None
        if others := differences(document["made_of"], self._made_of):
            self.refused = f"it is of other {', '.join(others)}"
            return None
        self.steps = document["steps"]
        for curve, points in document["curves"].items():
            self.curves[curve] = [(step, value) for step, value in points]
        return Checkpoint(document["step"], arrays, document["told"])


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The names of the parts in which two descriptions differ, in order; parts of parts with a full stop between."""
    found = []
    for name in sorted(one.keys() | other.keys()):
        ours, theirs = one.get(name), other.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            found += [f"{name}.{part}" for part in differences(ours, theirs)]
        elif ours != theirs:
            found.append(name)
    return found
