"""What the folds of trends and outcomes say after the log up to some offsets, to be held against the batch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import msgspec

from streaming.features import FEATURES, Feature, trending
from streaming.folds.trending import TrendingFold
from streaming.replaying import Timed, replay, timeline
from warehouse.events import Event
from warehouse.feature_parity import Hour, HourAccount, OutcomesAccount, hour_accounts, outcomes_account
from warehouse.outcomes import OUTCOMES, OutcomesRow
from warehouse.stores.cut import Cut
from warehouse.stores.log import Log
from warehouse.stores.memory_rows import MemoryRows
from warehouse.trending import TRENDING, HourCounts

# A row knows only the plays told last when they are told again. Here it knows all: that bound is no error of a count.
_REMEMBERING = Feature("trending", TrendingFold.topics, partial(trending, told_again=sys.maxsize))
_hour = msgspec.msgpack.Decoder(HourCounts).decode
_outcomes = msgspec.msgpack.Decoder(OutcomesRow).decode


def trends(log: Log, made: Cut) -> dict[Hour, HourAccount]:
    """Of the hours that still have their place, by hour and country.

    Without plays that were taken back: counts know no listener and keep them, the lake forgets them some day.
    """
    rows = MemoryRows()
    replay(_REMEMBERING, rows, _without(made.taken_back().has, told_up_to(_REMEMBERING, log, made, imports=False)))
    return hour_accounts((key, _hour(row)) for key, row in rows.scan(TRENDING))


def outcomes(log: Log, made: Cut, now_ms: int) -> dict[str, OutcomesAccount]:
    """Of every listener who was shown anything, or played what they say they were shown, as of that time."""
    rows, names = MemoryRows(), made.names()
    replay(FEATURES["outcomes"], rows, told_up_to(FEATURES["outcomes"], log, made, imports=False))
    return {who: outcomes_account(_outcomes(row), now_ms, names) for who, row in rows.scan(OUTCOMES)}


def told_up_to(feature: Feature, log: Log, made: Cut, *, imports: bool) -> Iterator[Timed]:
    """What a feature was told up to the cut; workers are told of no imports, the base of a taste has them."""
    forgotten = (Timed(*seed) for seed in made.seeds(feature.topics, imports=imports))
    return timeline(log, feature.topics, made.offsets, forgotten)


def _without(left_out: Callable[[Event], bool], told: Iterable[Timed]) -> Iterator[Timed]:
    for record in told:
        yield record._replace(events=[event for event in record.events if not left_out(event)])
