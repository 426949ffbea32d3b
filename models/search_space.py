"""Where a search looks for each setting of a learner: declared beside the setting's default, in one line a field.

@dataclass(frozen=True)
class AlsConfig:
    factors: int = ranged(64, 16, 256, log=True)
    frequency_exponent: float = ranged(1.0, 0.0, 1.0)
    seed: int = 7  # not searched
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

Number = TypeVar("Number", int, float)
Value = TypeVar("Value", bool, int, float, str)
_KEY = "search"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, whole where both are; by their logarithm where `log`."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"a range from {self.low} to {self.high}; wanted low < high, and above 0 for a logarithm")

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class OneOf:
    """Any of these values."""

    values: tuple[Any, ...]


Where = Range | OneOf


def ranged(default: Number, low: Number, high: Number, *, log: bool = False) -> Number:
    """A field of a config with this default, searched from `low` to `high`."""
    field: Number = dataclasses.field(default=default, metadata={_KEY: Range(low, high, log)})
    return field


def one_of(default: Value, *values: Value) -> Value:
    """A field of a config with this default, searched among these values."""
    field: Value = dataclasses.field(default=default, metadata={_KEY: OneOf(values)})
    return field


def space(config: Any) -> dict[str, Where]:
    """Where each searched field of a config lies, in order of declaration; empty where none is searched."""
    return {field.name: field.metadata[_KEY] for field in dataclasses.fields(config) if _KEY in field.metadata}
