"""What callers tell: plays and signals, checked one by one, and erasures. All of a call is accepted, or none of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec

from serving.parameters import body_fault, decoder
from serving.problems import Fault, Refused, invalid
from serving.service.ports import Clock, Stream
from warehouse.events import (
    ERASURES,
    PLAYS,
    SIGNALS,
    Country,
    Erasure,
    Event,
    Id,
    Label,
    Millis,
    Play,
    Signal,
    SignalKind,
    Topic,
    play_identity,
)
from warehouse.rules.plays import FUTURE_TOLERANCE_MS, LONGEST_PLAY_MS, MIN_STARTED_MS
from warehouse.rules.quantity import SECOND_MS
from warehouse.stores.rows import RowsUnavailable

MAX_LISTENS = 1_000
MAX_FAULTS = 100  # a body may be wrong in more places than anybody reads
OWN_SOURCE = "backbeat"
_log = logging.getLogger("backbeat.serving")


class NewListen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A play as a caller tells it. Without a `play_id` it is named by what it says, so that a retry counts once."""

    listener_id: Id
    track_id: Id
    started_ms: Millis
    play_id: Id | None = None
    source: Label = OWN_SOURCE
    played_ms: Millis | None = None
    track_ms: Millis | None = None
    context: Id | None = None
    impression_id: Id | None = None
    slot: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None
    ended_by: Label | None = None
    device: Label | None = None
    country: Country | None = None


class NewListens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /v1/listens."""

    listens: Annotated[list[NewListen], msgspec.Meta(min_length=1, max_length=MAX_LISTENS)]


class NewSignal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/signals; `rating` goes with kind `rate`: 1 to 5, 0 takes it back."""

    listener_id: Id
    track_id: Id
    kind: SignalKind
    rating: Annotated[int, msgspec.Meta(ge=0, le=5)] | None = None
    signal_id: Id | None = None


class _Unread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    listens: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MAX_LISTENS)]


_listens = msgspec.json.Decoder(NewListens).decode
_one_listen = msgspec.json.Decoder(NewListen).decode
_unread = decoder(_Unread)
read_signal = decoder(NewSignal)


def read_listens(body: bytes, now_ms: int) -> list[NewListen]:
    """The listens in a body. Raises `Refused` (400), naming every one that is wrong."""
    try:
        listens = _listens(body).listens
        faults = [fault for at, listen in enumerate(listens) for fault in _time_faults(at, listen, now_ms)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        listens, faults = [], _faults(_unread(body).listens, now_ms)
    if faults:
        raise invalid(*faults[:MAX_FAULTS])
    return listens


def _faults(listens: Sequence[msgspec.Raw], now_ms: int) -> list[Fault]:
    faults: list[Fault] = []
    for at, raw in enumerate(listens):
        try:
            faults += _time_faults(at, _one_listen(raw), now_ms)
        except msgspec.ValidationError as error:
            faults.append(body_fault(error, f"/listens/{at}"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            faults.append(Fault(f"not JSON: {error}", pointer=f"/listens/{at}"))
    return faults


def _time_faults(at: int, listen: NewListen, now_ms: int) -> list[Fault]:
    faults = {
        "started_ms": _start_fault(listen.started_ms, now_ms),
        "played_ms": _length_fault("played_ms", listen.played_ms),
        "track_ms": _length_fault("track_ms", listen.track_ms),
    }
    return [Fault(detail, pointer=f"/listens/{at}/{name}") for name, detail in faults.items() if detail]


def _start_fault(started_ms: int, now_ms: int) -> str | None:
    ahead_ms = started_ms - now_ms
    if ahead_ms > FUTURE_TOLERANCE_MS:
        most = f"at most {FUTURE_TOLERANCE_MS // SECOND_MS} s ahead"
        return f"started_ms is {ahead_ms // SECOND_MS:,} s in the future; wanted UTC milliseconds, {most}"
    if started_ms >= MIN_STARTED_MS:
        return None
    found = f"started_ms is {started_ms}; wanted UTC milliseconds, {MIN_STARTED_MS} (2000-01-01) or later"
    meant_ms = started_ms * 1_000
    if MIN_STARTED_MS <= meant_ms <= now_ms + FUTURE_TOLERANCE_MS:
        return f"{found}; these look like seconds, which would be {meant_ms}"
    return found


def _length_fault(name: str, length_ms: int | None) -> str | None:
    if length_ms is None or length_ms <= LONGEST_PLAY_MS:
        return None
    return f"{name} is {length_ms}; wanted milliseconds, at most {LONGEST_PLAY_MS} (a day)"


class Teller:
    """Turns what was told into events, and hands them to the stream."""

    def __init__(self, stream: Stream, *, clock: Clock, new_id: Callable[[], str]) -> None:
        self._stream = stream
        self._clock = clock
        self._new_id = new_id

    @property
    def now_ms(self) -> int:
        return self._clock()

    def listens(self, listens: Sequence[NewListen]) -> tuple[str, ...]:
        """The ids of the plays, once the log has them. Raises `LogUnavailable`."""
        now_ms = self._clock()
        plays = [_play(listen, now_ms) for listen in listens]
        self._accept(PLAYS, plays)
        return tuple(play.play_id for play in plays)

    def signal(self, told: NewSignal) -> str:
        """The id of the signal, once the log has it. Raises `Refused` (400) and `LogUnavailable`."""
        if (told.rating is None) == (told.kind is SignalKind.RATE):
            raise invalid(Fault("rating goes with kind `rate`, and with no other", pointer="/rating"))
        signal_id = told.signal_id or self._new_id()
        signal = Signal(
            listener_id=told.listener_id,
            received_ms=self._clock(),
            signal_id=signal_id,
            track_id=told.track_id,
            kind=told.kind,
            rating=told.rating,
        )
        self._accept(SIGNALS, [signal])
        return signal_id

    def erase(self, listener_id: str, play_id: str | None = None) -> str:
        """The id of the erasure, of one play or of everything, once the log has it. Raises `LogUnavailable`."""
        erasure_id = self._new_id()
        erasure = Erasure(listener_id=listener_id, received_ms=self._clock(), erasure_id=erasure_id, play_id=play_id)
        self._accept(ERASURES, [erasure])
        return erasure_id

    def _accept(self, topic: Topic, events: Sequence[Event]) -> None:
        try:
            self._stream.accept(topic, events)
        except RowsUnavailable as error:  # the log has them: they are accepted, and will show when the rows are back
            _log.error("accepted on %s, not visible yet: %s", topic.name, error)


def _play(listen: NewListen, now_ms: int) -> Play:
    named = listen.play_id or play_identity(listen.source, listen.listener_id, listen.track_id, listen.started_ms)
    return Play(
        listener_id=listen.listener_id,
        received_ms=now_ms,
        play_id=named,
        track_id=listen.track_id,
        started_ms=listen.started_ms,
        source=listen.source,
        played_ms=listen.played_ms,
        track_ms=listen.track_ms,
        context=listen.context,
        impression_id=listen.impression_id,
        slot=listen.slot,
        ended_by=listen.ended_by,
        device=listen.device,
        country=listen.country,
    )


__all__ = ["MAX_LISTENS", "NewListen", "NewListens", "NewSignal", "Refused", "Teller", "read_listens", "read_signal"]
