"""Which arm of an experiment a listener is in: by hash, so that every process says the same and nobody keeps a list.

Two hashes are taken, after Kohavi, Tang and Xu, "Trustworthy Online Controlled Experiments" (2020), chapter 4: one says
whether a listener takes part, the other in which arm. So raising an experiment's traffic moves nobody from arm to arm.
Salts keep experiments independent of one another. Whoever acts on an assignment logs the exposure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate

import numpy as np

from models.base import Floats

BASIS_POINTS = 10_000
MAX_NAME_CHARACTERS = 64  # as every label on the event log
HOLDOUT_SALT = "holdout"  # one for all experiments: who is held out is held out of all of them
_HASHES = 1 << 64
_TRAFFIC, _ARM = "traffic", "arm"


@dataclass(frozen=True)
class Arm:
    """One treatment, and its share of the listeners who take part, in basis points (hundredths of a percent)."""

    name: str
    share_bp: int


@dataclass(frozen=True)
class Experiment:
    """What is compared, on whom. `salt` is the name where none is given.

    `traffic_bp` of the listeners who are not held out take part; `holdout_bp` of all are kept from every experiment.
    """

    name: str
    arms: tuple[Arm, ...]
    traffic_bp: int = BASIS_POINTS
    holdout_bp: int = 0
    salt: str | None = None

    def __post_init__(self) -> None:
        names = {arm.name for arm in self.arms}
        if len(names) < max(2, len(self.arms)):
            raise ValueError(
                f"experiment {self.name!r} with the arms {sorted(names)}; wanted two arms or more, each once"
            )
        for name in (self.name, *names):
            if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
                raise ValueError(f"experiment or arm {name!r}; wanted a name of 1 to {MAX_NAME_CHARACTERS} characters")
        shares = [arm.share_bp for arm in self.arms]
        if min(shares) <= 0 or sum(shares) != BASIS_POINTS:
            raise ValueError(
                f"experiment {self.name!r} with shares of {shares}; wanted a sum of {BASIS_POINTS}, none 0"
            )
        for what, share in (("traffic_bp", self.traffic_bp), ("holdout_bp", self.holdout_bp)):
            if not 0 <= share <= BASIS_POINTS:
                raise ValueError(f"experiment {self.name!r} with {what} {share}; wanted 0 to {BASIS_POINTS}")

    @property
    def shares(self) -> Floats:
        """Of each arm among those who take part [arms], summing to 1."""
        return np.array([arm.share_bp for arm in self.arms]) / BASIS_POINTS


def bucket(salt: str, purpose: str, listener_id: str) -> int:
    """A listener's basis point, 0 to 9,999: uniform, and independent between salts and purposes.

    The parts are told apart by their lengths, so that no two different questions hash the same bytes.
    """
    told = [part.encode() for part in (salt, purpose, listener_id)]
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in told)
    return int.from_bytes(blake2b(framed, digest_size=8).digest(), "big") * BASIS_POINTS // _HASHES


def is_held_out(holdout_bp: int, listener_id: str) -> bool:
    """Whether a listener is kept from all experiments; a larger holdout keeps all of a smaller one."""
    return bucket(HOLDOUT_SALT, _TRAFFIC, listener_id) < holdout_bp


def assigned(experiment: Experiment, listener_id: str) -> str | None:
    """The name of the listener's arm; None for one who is held out or takes no part."""
    if is_held_out(experiment.holdout_bp, listener_id):
        return None
    salt = experiment.salt or experiment.name
    if bucket(salt, _TRAFFIC, listener_id) >= experiment.traffic_bp:
        return None
    place = bucket(salt, _ARM, listener_id)
    ends = accumulate(arm.share_bp for arm in experiment.arms)
    return next(arm.name for arm, end in zip(experiment.arms, ends, strict=True) if place < end)


def assigned_all(experiment: Experiment, listener_ids: Iterable[str]) -> list[str | None]:
    """The same for many, in their order."""
    return [assigned(experiment, listener_id) for listener_id in listener_ids]
