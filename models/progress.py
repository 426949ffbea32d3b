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
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import ModelBroken
from models.files import read_arrays, write_arrays

Arrays = Mapping[str, npt.NDArray[Any]]
_DOCUMENT = "document"


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
        """Whether curves are heard: a loss that costs something is computed only then."""
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
    """One of several parts of equal `steps` that are fitted one after another; carries what those before ended with."""

    whole: Progress
    part: int
    steps: int
    carried: Arrays
    curve_of: str = ""

    @property
    def listens(self) -> bool:
        return self.whole.listens

    def tell(self, curve: str, step: int, value: float) -> None:
        self.whole.tell(curve + self.curve_of, step, value)

    def keep(self, checkpoint: Checkpoint) -> None:
        step = self.part * self.steps + checkpoint.step
        self.whole.keep(Checkpoint(step, {**checkpoint.arrays, **self.carried}, {**checkpoint.told, "part": self.part}))

    def latest(self) -> Checkpoint | None:
        found = self.whole.latest()
        if found is None or found.told["part"] != self.part:
            return None
        return Checkpoint(found.step - self.part * self.steps, found.arrays, found.told)


class KeptProgress(Progress):
    """Curves in memory, and the latest checkpoint in a file.

    `made_of` is all that decides the model, as JSON has it. A checkpoint of anything else, and a damaged one, is not
    gone on from: `refused` then says why, and the fit begins anew.
    """

    def __init__(self, path: Path, made_of: Mapping[str, Any]) -> None:
        self.curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self.refused = ""
        self._path, self._made_of = path, json.loads(json.dumps(made_of))
        self._latest = self._read() if path.exists() else None

    @property
    def listens(self) -> bool:
        return True

    def tell(self, curve: str, step: int, value: float) -> None:
        if math.isfinite(value):
            self.curves[curve].append((step, value))

    def keep(self, checkpoint: Checkpoint) -> None:
        document = {
            "made_of": self._made_of,
            "step": checkpoint.step,
            "told": checkpoint.told,
            "curves": self.curves,
        }
        text = np.frombuffer(json.dumps(document).encode(), np.uint8)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        write_arrays(fresh, {**checkpoint.arrays, _DOCUMENT: text})
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
        if others := differences(document["made_of"], self._made_of):
            self.refused = f"it is of other {', '.join(others)}"
            return None
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
