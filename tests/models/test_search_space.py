"""A setting says in its own line where a search looks, and stays the setting that it was."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest

from models.learners import LEARNERS
from models.search_space import OneOf, Range, one_of, ranged, space


@dataclass(frozen=True)
class Config:
    size: int = ranged(8, 2, 64, log=True)
    rate: float = ranged(0.5, 0.0, 1.0)
    kind: str = one_of("plain", "plain", "fancy")
    seed: int = 7


def test_a_searched_setting_keeps_its_default_and_its_type() -> None:
    assert dataclasses.asdict(Config()) == {"size": 8, "rate": 0.5, "kind": "plain", "seed": 7}
    assert Config(size=3).size == 3


def test_the_space_is_the_searched_settings_in_order() -> None:
    assert space(Config) == {"size": Range(2, 64, log=True), "rate": Range(0.0, 1.0), "kind": OneOf(("plain", "fancy"))}


def test_a_range_of_whole_numbers_is_whole() -> None:
    assert Range(2, 64).whole
    assert not Range(0.0, 1.0).whole


@pytest.mark.parametrize(("low", "high", "log"), [(1, 1, False), (2, 1, False), (0, 1, True)])
def test_a_range_that_holds_nothing_is_refused(low: int, high: int, log: bool) -> None:
    with pytest.raises(ValueError, match="wanted low < high"):
        Range(low, high, log)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_every_default_lies_where_the_search_looks(name: str) -> None:
    config = LEARNERS[name].config_type
    for setting, where in space(config).items():
        default = getattr(config(), setting)
        if isinstance(where, Range):
            assert where.low <= default <= where.high
        else:
            assert default in where.values
