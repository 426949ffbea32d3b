from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.folds.outcomes import OutcomesFold
from streaming.mover import Mover, RecordEvents
from tests.fakes.memory_rows import MemoryRows
from tests.streaming.answers import PLACES, as_read, by_topic, history, in_order, interleaved, led_to, row_of, shown
from tests.streaming.tastes import DAY, MIN, NOON, erasure, play, skip, word
from warehouse.events import Erasure, Event, Impression, Play, SignalKind
from warehouse.outcomes import (
    OUTCOMES,
    RECENT_CLAIMS,
    RECENT_ERASURES,
    RECENT_IMPRESSIONS,
    ImpressionOutcome,
    OutcomesRow,
    UnreadRow,
    outcomes_at,
)
from warehouse.rules.outcomes import BEGUN, IGNORED, OPEN, OUTCOME_WINDOW_MS, PLAYED, SKIPPED

LATER = NOON + 9 * DAY
PLAYS_PLACE = PLACES[Play]


def read(
    row: OutcomesRow, now_ms: int = LATER, names: Mapping[str, str] | None = None
) -> tuple[ImpressionOutcome, ...]:
    return outcomes_at(row, now_ms, names or {})


def outcomes(row: OutcomesRow, now_ms: int = LATER, names: Mapping[str, str] | None = None) -> list[str]:
    """The outcomes of the one impression there is, by slot."""
    (only,) = read(row, now_ms, names)
    return [slot.outcome for slot in only.slots]


def said_by(row: OutcomesRow) -> list[str | None]:
    (only,) = read(row)
    return [slot.play_id for slot in only.slots]


def test_a_slot_is_played_skipped_begun_or_ignored() -> None:
    row = in_order(
        shown(),
        led_to("p0", "t0"),
        led_to("p1", "t1", played_ms=5_000, ended_by="skip"),
        led_to("p2", "t2", played_ms=5_000, ended_by="end"),
    )
    assert outcomes(row) == [PLAYED, SKIPPED, BEGUN, IGNORED, IGNORED]
    assert said_by(row) == ["p0", "p1", "p2", None, None]


def test_what_was_not_played_is_open_until_its_window_has_passed() -> None:
    row = in_order(shown("i", "t0"))
    assert outcomes(row, NOON + OUTCOME_WINDOW_MS - 1) == [OPEN]
    assert outcomes(row, NOON + OUTCOME_WINDOW_MS) == [IGNORED]


@pytest.mark.parametrize(
    ("after_ms", "outcome"),
    [
        (-10 * MIN - 1, IGNORED),
        (-10 * MIN, PLAYED),  # the player's clock runs behind
        (OUTCOME_WINDOW_MS - 1, PLAYED),
        (OUTCOME_WINDOW_MS, IGNORED),
    ],
)
def test_a_play_is_an_outcome_when_it_started_within_the_window(after_ms: int, outcome: str) -> None:
    assert outcomes(in_order(shown("i", "t0"), led_to("p", at=NOON + after_ms))) == [outcome]


def test_of_several_plays_the_strongest_says_it_and_of_equal_ones_the_first() -> None:
    skipped = led_to("p0", played_ms=5_000, ended_by="skip", at=NOON)
    second, first = led_to("p1", at=NOON + 9 * MIN), led_to("p2", at=NOON + 5 * MIN)
    assert said_by(in_order(shown("i", "t0"), skipped, second, first)) == ["p2"]
    assert said_by(in_order(shown("i", "t0"), led_to("b", at=NOON), led_to("a", at=NOON))) == ["a"]


def test_a_play_of_a_track_that_was_not_shown_is_organic() -> None:
    assert outcomes(in_order(shown("i", "t0"), led_to("p", "t9"))) == [IGNORED]


def test_a_play_that_names_no_impression_touches_no_row() -> None:
    fold = OutcomesFold()
    assert fold.keys(led_to("p", impression_id=None), PLAYS_PLACE) == ()
    assert fold.keys(led_to("p"), PLAYS_PLACE) == ("ada",)


def test_a_track_that_was_told_by_another_of_its_names_is_the_one_shown() -> None:
    row = in_order(shown("i", "isrc:X"), led_to("p", "spotify:1"))
    assert row.names() == {"isrc:X", "spotify:1"}
    assert outcomes(row) == [IGNORED]
    assert outcomes(row, names={"spotify:1": "isrc:X", "isrc:X": "isrc:X"}) == [PLAYED]


def test_the_first_slot_that_showed_a_track_has_its_play() -> None:
    assert outcomes(in_order(shown("i", "t0", "t1", "t0"), led_to("p"))) == [PLAYED, IGNORED, IGNORED]


def test_a_play_told_again_is_as_it_was_told_first() -> None:
    row = in_order(shown("i", "t0"), led_to("p"), led_to("p", played_ms=1, ended_by="skip"))
    assert outcomes(row) == [PLAYED]


def test_an_impression_told_again_is_the_same() -> None:
    assert in_order(shown(), shown()).shown == in_order(shown()).shown


def test_a_play_before_its_impression_waits_for_it() -> None:
    row = in_order(led_to("p"))
    assert read(row) == ()
    assert outcomes(in_order(led_to("p"), shown("i", "t0"))) == [PLAYED]


def test_a_play_taken_back_has_no_outcome_however_early_its_erasure_came() -> None:
    assert outcomes(in_order(shown("i", "t0"), led_to("p"), erasure("p"))) == [IGNORED]
    assert outcomes(in_order(erasure("p"), shown("i", "t0"), led_to("p"))) == [IGNORED]


def test_a_play_taken_back_makes_the_next_strongest_the_outcome() -> None:
    again = led_to("q", at=NOON + 9 * MIN, played_ms=5_000)
    assert outcomes(in_order(shown("i", "t0"), led_to("p"), again, erasure("p"))) == [BEGUN]


def test_erasing_everything_leaves_what_came_after_it() -> None:
    everything = erasure(None, received_ms=NOON + 5 * MIN)
    late = led_to("late", received_ms=NOON + 5 * MIN)
    row = in_order(shown("i", "t0"), led_to("p"), everything, late, shown("j", "t0", at=NOON + DAY))
    assert [found.impression_id for found in read(row)] == ["j"]
    assert row.claims == {}


def test_the_newest_impression_comes_first() -> None:
    row = in_order(shown("a", at=NOON + 1), shown("c", at=NOON), shown("b", at=NOON))
    assert [found.impression_id for found in read(row)] == ["a", "b", "c"]


def test_beyond_its_bounds_what_arrived_first_goes() -> None:
    row = in_order(
        *(shown(f"i{n:03}", at=NOON + n) for n in range(RECENT_IMPRESSIONS + 3)),
        *(led_to(f"p{n}") for n in range(RECENT_CLAIMS + 3)),
        *(erasure(f"q{n}") for n in range(RECENT_ERASURES + 3)),
    )
    assert list(row.shown) == [f"i{n:03}" for n in range(3, RECENT_IMPRESSIONS + 3)]
    assert (len(row.claims), next(iter(row.claims))) == (RECENT_CLAIMS, "p3")
    assert (len(row.taken_back), next(iter(row.taken_back))) == (RECENT_ERASURES, "q3")


@pytest.mark.parametrize("offset", [0, 6, 7])
def test_a_record_at_or_below_the_last_seen_changes_nothing(offset: int) -> None:
    fold = OutcomesFold()
    row = fold.advanced(UnreadRow(), [led_to("p")], key="ada", place=PLAYS_PLACE, offset=7)
    assert fold.advanced(row, [led_to("q")], key="ada", place=PLAYS_PLACE, offset=offset) is row
    assert fold.version(row) == 8


def test_signals_and_organic_plays_say_nothing_of_outcomes() -> None:
    fold = OutcomesFold()
    events = [word("t0", SignalKind.LIKE), play("p"), skip("q")]
    row = fold.advanced(UnreadRow(), events, key="ada", place=PLAYS_PLACE, offset=0)
    assert row == UnreadRow(seen={PLAYS_PLACE: 0})


def oracle(events: Sequence[Event], now_ms: int) -> dict[tuple[str, int], tuple[str, str | None]]:
    """Outcome and play by impression and slot, as plainly as can be."""
    erasures = [event for event in events if isinstance(event, Erasure)]
    gone = {erasure.play_id for erasure in erasures}
    erased_ms = max((erasure.received_ms for erasure in erasures if erasure.play_id is None), default=-1)
    plays: dict[str, Play] = {}
    for event in events:
        if isinstance(event, Play) and event.received_ms > erased_ms and event.play_id not in gone:
            plays.setdefault(event.play_id, event)
    found = {}
    for event in events:
        if isinstance(event, Impression) and event.received_ms > erased_ms:
            for slot, track in enumerate(event.track_ids):
                found[event.impression_id, slot] = _became_of(event, track, plays.values(), now_ms)
    return found


def _became_of(shown: Impression, track: str, plays: Iterable[Play], now_ms: int) -> tuple[str, str | None]:
    mine = [play for play in plays if (play.impression_id, play.track_id) == (shown.impression_id, track)]
    mine = [play for play in mine if -10 * MIN <= play.started_ms - shown.received_ms < DAY]
    played = [play for play in mine if (play.played_ms or 0) >= 30_000]
    skipped = [play for play in mine if play.ended_by == "skip"]
    for outcome, such in ((PLAYED, played), (SKIPPED, skipped), (BEGUN, mine)):
        if such:
            return outcome, min((play.started_ms, play.play_id) for play in such)[1]
    return (IGNORED if now_ms - shown.received_ms >= DAY else OPEN), None


def told_by(row: OutcomesRow, now_ms: int) -> dict[tuple[str, int], tuple[str, str | None]]:
    return {
        (found.impression_id, slot): (outcome.outcome, outcome.play_id)
        for found in read(row, now_ms)
        for slot, outcome in enumerate(found.slots)
    }


@given(st.randoms(use_true_random=False), st.integers(0, 40), st.integers(0, 4))
def test_whatever_the_order_of_the_topics_the_outcomes_are_those_of_the_history(
    random: Random, events: int, days: int
) -> None:
    told, now_ms = history("ada", random, events + 1), NOON + days * DAY
    wanted = oracle(told, now_ms)
    for _ in range(3):
        assert told_by(row_of(interleaved(told, random)), now_ms) == wanted


@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_events_told_together_fold_as_events_told_alone_and_a_replay_changes_nothing(
    random: Random, events: int
) -> None:
    told = history("ada", random, events)
    rows = MemoryRows()
    mover = Mover(OutcomesFold(), rows, keeps=100)
    for records in by_topic(told):
        mover.advance(
            [
                RecordEvents(
                    records[-1].place, records[-1].offset, [event for record in records for event in record.events]
                )
            ]
        )
    assert told_by(as_read(rows.get(OUTCOMES, "ada") or b""), LATER) == told_by(
        row_of(interleaved(told, random)), LATER
    )
    assert mover.advance(interleaved(told, random)) == 0


def test_generated_histories_have_every_outcome() -> None:
    histories = (history("ada", Random(seed), 30) for seed in range(40))  # noqa: S311  # no secret
    found = {outcome for events in histories for outcome, _ in oracle(events, NOON + 2 * DAY).values()}
    assert found == {PLAYED, SKIPPED, BEGUN, IGNORED, OPEN}
