"""What comes next, by self-attention over the latest plays (SASRec, Kang and McAuley 2018).

A causal transformer reads the plays in order; the state at the last of them is multiplied with every track's embedding,
which is also what the transformer read it as. `low_pass` adds a frequency layer (BSARec, Shin et al. 2024) in a causal
form: each block mixes attention with the slow part of the sequence, its running mean, and a learned share of the rest.

Here is the forward pass in NumPy, for answers; `models.sasrec_training` holds the same in Flax, for learning.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from models.base import NOBODY, Floats, ModelBroken, Positions, Scores, Taste
from models.files import read_arrays, read_config, read_json, write_arrays, write_json
from models.scoring import ScoringModel

_EPSILON = 1e-6  # of layer normalisation
_MASKED = np.float32(-1e9)
_AT_ONCE = 1024


@dataclass(frozen=True)
class SasrecConfig:
    """The shape of the network, and how it is trained.

    `length` latest plays are read. `negatives` 0 trains by the softmax over all tracks, else by one over the target and
    so many tracks a batch, drawn by popularity. A batch holds `batch` times `length` plays. `members` networks of
    consecutive seeds answer together. `low_pass` is the share of the frequency layer, 0 for none, which looks at
    `window` plays at once.
    """

    length: int = 20
    dimensions: int = 64
    blocks: int = 1
    heads: int = 2
    dropout: float = 0.3
    low_pass: float = 0.0
    window: int = 5
    epochs: int = 24
    batch: int = 64
    learning_rate: float = 0.008
    weight_decay: float = 0.05
    label_smoothing: float = 0.0
    negatives: int = 256
    members: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        whole = ("length", "dimensions", "blocks", "heads", "window", "epochs", "batch", "members")
        if small := [name for name in whole if getattr(self, name) < 1]:
            raise ValueError(f"a transformer with {small[0]} {getattr(self, small[0])}; wanted 1 at least")
        if self.dimensions % self.heads:
            raise ValueError(f"{self.dimensions} dimensions over {self.heads} heads; wanted a multiple")
        shares = ("dropout", "low_pass", "label_smoothing")
        if wrong := [name for name in shares if not 0 <= getattr(self, name) < 1]:
            raise ValueError(f"a transformer with {wrong[0]} {getattr(self, wrong[0])}; wanted 0 or more, below 1")
        if self.learning_rate <= 0 or self.weight_decay < 0 or self.negatives < 0 or self.seed < 0:
            raise ValueError("a transformer with a learning rate of 0 or less, or anything negative; wanted neither")


Weights = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Sasrec(ScoringModel):
    """`weights` of every member by the names that Flax gives them, each [members, ...] float32."""

    config: SasrecConfig
    weights: Weights
    name: ClassVar[str] = "sasrec"

    @property
    def tracks(self) -> int:
        return int(self.weights["items"].shape[1])

    def says_nothing(self, taste: Taste) -> bool:
        return not len(taste.recent.tracks)

    def score_many(self, tastes: Sequence[Taste]) -> Scores:
        """The mean over the members of log odds, up to a constant a taste."""
        states = self._states(tastes)
        scores = np.zeros((len(tastes), self.tracks), np.float32)
        for member, state in enumerate(states):
            scores += state @ self.weights["items"][member].T + self.weights["bias"][member]
        return scores / np.float32(len(states))

    def scores(self, taste: Taste, items: Positions) -> Floats:
        if self.says_nothing(taste):
            return np.zeros(len(items))
        wide = np.float64  # in float32 a score would depend on which others are asked for with it
        odds = [
            self.weights["items"][member][items].astype(wide) @ state[0].astype(wide)
            + self.weights["bias"][member][items]
            for member, state in enumerate(self._states([taste]))
        ]
        return np.mean(odds, axis=0)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", dataclasses.asdict(self.config))
        write_arrays(folder / "arrays.npz", dict(self.weights))

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = read_config(SasrecConfig, read_json(folder / "config.json"), folder / "config.json")
        weights = read_arrays(folder / "arrays.npz", frozenset({"items", "bias"}))
        tracks = weights["bias"].shape[-1]
        wanted = shapes(config, tracks)
        found = {name: array.shape for name, array in weights.items()}
        if found != wanted:
            differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
            where = differing[0]
            raise ModelBroken(f"reading {folder}: {where} is {found.get(where)}, wanted {wanted.get(where)}")
        if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in weights.values()):
            raise ModelBroken(f"reading {folder}: found NaN, infinity or other than float32, wanted numbers in float32")
        return cls(config, weights)

    def _states(self, tastes: Sequence[Taste]) -> list[npt.NDArray[np.float32]]:
        """The state after the last play of each taste [tastes, dimensions], of each member."""
        played = latest([taste.recent.tracks for taste in tastes], self.config.length)
        return [self._member_states(played, member) for member in range(self.config.members)]

    def _member_states(self, played: Positions, member: int) -> npt.NDArray[np.float32]:
        weights = {name: array[member] for name, array in self.weights.items()}
        parts = [played[start : start + _AT_ONCE] for start in range(0, len(played), _AT_ONCE)]
        return np.concatenate([encoded(part, weights, self.config)[:, -1] for part in parts])


def latest(played: Sequence[Positions], length: int) -> Positions:
    """The latest plays of each [histories, plays], padded in front with `NOBODY`; as many as the longest one has."""
    longest = min(length, max((len(one) for one in played), default=0))
    rows = np.full((len(played), max(longest, 1)), NOBODY, np.int64)
    for row, one in zip(rows, played, strict=True):
        if len(one):
            row[-min(len(one), longest) :] = one[-longest:]
    return rows


def encoded(played: Positions, weights: Weights, config: SasrecConfig) -> npt.NDArray[np.float32]:
    """The state after each play [histories, plays, dimensions] of histories [histories, plays]."""
    there = played != NOBODY
    length = played.shape[1]
    scale = np.float32(np.sqrt(config.dimensions))
    states = weights["items"][played] * scale + weights["places"][config.length - length :]
    states = np.where(there[..., None], states, np.float32(0))
    allowed = np.tril(np.ones((length, length), bool)) & there[:, None, None, :]
    for block in range(config.blocks):
        part = {name.partition(".")[2]: array for name, array in weights.items() if name.startswith(f"block{block}.")}
        states = states + _mixed(_normalised(states, part, "before_mixing"), allowed, there, part, config)
        hidden = np.maximum(_dense(_normalised(states, part, "before_widening"), part, "widened"), np.float32(0))
        states = states + _dense(hidden, part, "narrowed")
    return _normalised(states, weights, "last")


def _mixed(states: Any, allowed: Any, there: Any, part: Weights, config: SasrecConfig) -> Any:
    mixed = _attention(states, allowed, part, config.heads)
    if not config.low_pass:
        return mixed
    slow = running_mean(states, there, config.window)
    share = np.float32(config.low_pass)
    return (1 - share) * mixed + share * (slow + part["fast"] ** 2 * (states - slow))


def _attention(states: Any, allowed: Any, part: Weights, heads: int) -> Any:
    rows, length, dimensions = states.shape
    wide = dimensions // heads
    query, key, value = (
        _dense(states, part, name).reshape(rows, length, heads, wide).transpose(0, 2, 1, 3)
        for name in ("query", "key", "value")
    )
    odds = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(wide))
    odds = np.where(allowed, odds, _MASKED)
    odds = np.exp(odds - odds.max(axis=-1, keepdims=True))
    mixed = odds / odds.sum(axis=-1, keepdims=True) @ value
    return _dense(mixed.transpose(0, 2, 1, 3).reshape(rows, length, dimensions), part, "out")


def running_mean(states: Any, there: Any, window: int) -> Any:
    """The mean of the states of the latest plays up to each, `window` at most: a causal low-pass filter."""
    length = states.shape[1]
    back = np.arange(length)[:, None] - np.arange(length)
    near = ((back >= 0) & (back < window)).astype(np.float32) * there[:, None, :]
    return near @ states / np.maximum(near.sum(axis=-1, keepdims=True), np.float32(1))


def _dense(states: Any, part: Weights, name: str) -> Any:
    return states @ part[f"{name}.kernel"] + part[f"{name}.bias"]


def _normalised(states: Any, part: Weights, name: str) -> Any:
    centred = states - states.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
    return centred / spread * part[f"{name}.scale"] + part[f"{name}.bias"]


def shapes(config: SasrecConfig, tracks: int) -> dict[str, tuple[int, ...]]:
    """The weights that a model of this config has, and their shapes."""
    wide = config.dimensions
    dense = dict.fromkeys(("query", "key", "value", "out"), (wide, wide))
    dense |= {"widened": (wide, 4 * wide), "narrowed": (4 * wide, wide)}
    one: dict[str, tuple[int, ...]] = {"items": (tracks, wide), "bias": (tracks,), "places": (config.length, wide)}
    one |= {"last.scale": (wide,), "last.bias": (wide,)}
    for block in range(config.blocks):
        for name, (narrow, to) in dense.items():
            one |= {f"block{block}.{name}.kernel": (narrow, to), f"block{block}.{name}.bias": (to,)}
        for name in ("before_mixing", "before_widening"):
            one |= {f"block{block}.{name}.scale": (wide,), f"block{block}.{name}.bias": (wide,)}
        if config.low_pass:
            one[f"block{block}.fast"] = (wide,)
    return {name: (config.members, *shape) for name, shape in one.items()}
