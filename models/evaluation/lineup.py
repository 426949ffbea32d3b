"""The models that are always measured beside each other, fitted on the training side of a split."""

from __future__ import annotations

from collections.abc import Iterator

from models.als import AlsConfig
from models.als_training import fit_als
from models.evaluation.run import Contestant
from models.evaluation.splits import Split
from models.popularity import fit_popularity
from models.repeat import fit_repeat
from models.transitions import TransitionsConfig, fit_transitions


def contestants(split: Split, als: AlsConfig) -> Iterator[Contestant]:
    """Popularity first: it is what the others are compared with. Each is fitted when it is asked for."""
    yield Contestant(fit_popularity(split.train), fresh=False, uses="training data")
    yield Contestant(fit_repeat(split.train), fresh=False, uses="the listener's training data")
    yield Contestant(fit_transitions(split.train, TransitionsConfig()), fresh=False, uses="the current track")
    yield Contestant(fit_als(split.train, als), fresh=True, uses="the listener's training data and session so far")
