"""What is measured: our learners, fitted here, and our peers, each in a process of its own environment.

Both are told the same `Task`, and give lists [cases, k]. A system's `version` changes with the code that it runs and
the packages that this runs on, so that what was measured before can stand while they stay.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bench.clock import timed
from bench.peers.exchange import Task
from models.base import Positions
from models.blend import BLEND, BlendConfig
from models.evaluation.splits import Split
from models.learners import learner
from models.stacked import StackedConfig

ROOT = Path(__file__).resolve().parents[2]
THREADS = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "RAYON_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
OWN_THREADS = frozenset({"implicit"})  # it divides the work itself, and asks that OpenBLAS does not
MINUTES_AT_MOST = 30.0


class PeerFailed(Exception):
    """A peer's process ended with an error, or took too long; says which, and the last line that it wrote."""


@dataclass(frozen=True)
class Answer:
    """Lists [cases, k] and the seconds that fitting and answering took."""

    lists: Positions
    fit_s: float
    answer_s: float


class System(Protocol):
    """Whatever answers all cases of a split."""

    @property
    def name(self) -> str:
        """What the page calls it."""

    @property
    def ours(self) -> bool:
        """Whether it is ours."""

    @property
    def seeded(self) -> bool:
        """Whether its answers depend on a seed."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it is set to; the rest is as the code has it."""

    def version(self) -> str:
        """A hash of all that decides its answers but the data and the seed."""

    def answer(self, split: Split, task: Task, seed: int) -> Answer:
        """Fit on the training side, and answer every case."""


@dataclass(frozen=True)
class Ours:
    """One of our learners with these settings."""

    name: str
    settings: Mapping[str, Any]
    ours: bool = True

    @property
    def seeded(self) -> bool:
        if self.name == BLEND:
            return any(member.seeded for member in self._members)
        return hasattr(learner(self.name).settings(self.settings), "seed")

    @property
    def _members(self) -> list[Ours]:
        """Those that it fits inside itself, which it finds by their names."""
        match learner(self.name).settings(self.settings):
            case BlendConfig(speaking=members) | StackedConfig(members=members):
                return [Ours(each.learner, each.settings) for each in members]
        return []

    def modules(self) -> set[str]:
        """Those that its fit and its settings are in, and its members'."""
        found = learner(self.name)
        own = {found.fit.partition(":")[0], found.config.partition(":")[0]}
        return own.union(*(member.modules() for member in self._members))

    def version(self) -> str:
        told = json.dumps([self.name, dict(self.settings)], sort_keys=True).encode()
        files = sorted(sources(self.modules()))
        return _digest(told, *(file.read_bytes() for file in files), *(each.encode() for each in packages(files)))

    def answer(self, split: Split, task: Task, seed: int) -> Answer:
        found = learner(self.name)
        settings = found.settings(self.settings, seed)
        fit_s, model = timed(lambda: found.fitted(split.train, settings), time.perf_counter)
        answer_s, lists = timed(
            lambda: model.recommend_many(split.cases.fresh, task.k, new_only=split.new_only), time.perf_counter
        )
        return Answer(lists, fit_s, answer_s)


@dataclass(frozen=True)
class Peer:
    """A model of a peer's program, `bench.peers.quality_<package>`, with these settings, for `seconds` at most."""

    package: str
    model: str
    settings: Mapping[str, Any]
    seeded: bool = False
    seconds: float = 60 * MINUTES_AT_MOST
    ours: bool = field(default=False, init=False)

    @property
    def name(self) -> str:
        return f"{self.package} {self.model}"

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return Path(sys.executable) if self.package == "implicit" else ROOT / f".venv-{self.package}/bin/python"

    def version(self) -> str:
        told = json.dumps([self.model, dict(self.settings)], sort_keys=True).encode()
        files = [ROOT / "bench" / "peers" / name for name in ("exchange.py", f"quality_{self.package}.py")]
        lock = ROOT / "requirements" / f"{self.package}.txt"
        on = lock.read_bytes() if lock.exists() else " ".join(packages(files)).encode()
        return _digest(told, *(file.read_bytes() for file in files), on)

    def answer(self, split: Split, task: Task, seed: int) -> Answer:  # noqa: ARG002
        """Raises `PeerFailed`."""
        with tempfile.TemporaryDirectory() as folder:
            asked, answered = Path(folder, "task.npz"), Path(folder, "answer.npz")
            task.save(asked)
            self._run(asked, answered, json.dumps({**self.settings, "seed": seed}))
            with np.load(answered, allow_pickle=False) as arrays:
                fit_s, answer_s = arrays["seconds"]
                return Answer(arrays["lists"], float(fit_s), float(answer_s))

    def _run(self, asked: Path, answered: Path, settings: str) -> None:
        module = f"bench.peers.quality_{self.package}"
        command = [str(self.python), "-m", module, str(asked), str(answered), self.model, settings]
        try:
            subprocess.run(
                command,
                cwd=ROOT,
                env=os.environ | THREADS | ({"OPENBLAS_NUM_THREADS": "1"} if self.package in OWN_THREADS else {}),
                check=True,
                timeout=self.seconds,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise PeerFailed(f"{self.name} with {settings}: {' '.join(last) or error}") from error
        except (subprocess.TimeoutExpired, OSError) as error:
            raise PeerFailed(f"{self.name} with {settings}: {error}") from error


@cache
def _imported(path: Path) -> frozenset[str]:
    """The modules that a source file names in its imports, in functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return frozenset(found)


def sources(modules: set[str]) -> set[Path]:
    """The files of these modules and of all of our own that they import, one through another."""
    found: set[Path] = set()
    left = list(modules)
    while left:
        path = ROOT / f"{left.pop().replace('.', '/')}.py"
        if path not in found and path.is_file():
            found.add(path)
            left.extend(_imported(path))
    return found


def packages(files: Iterable[Path]) -> list[str]:
    """What these files import of other projects, with the version that is installed here."""
    told = {name.partition(".")[0] for file in files for name in _imported(file)} & set(_distributions())
    return sorted({f"{package}=={version(package)}" for name in told for package in _distributions()[name]})


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def _digest(*parts: bytes) -> str:
    told = hashlib.sha256()
    for part in parts:
        told.update(hashlib.sha256(part).digest())
    return told.hexdigest()
