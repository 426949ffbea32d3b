"""`backbeat token`: what a caller of the API shows to speak for one listener."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from backbeat.output import BadUsage, CommandFailed, Flag, console, emit
from backbeat.settings import SECRET, Settings
from serving.tokens import sign
from warehouse.events import Id
from warehouse.stores.log import now_ms

LONGEST_DAYS = 366
DAY_S = 24 * 60 * 60


def token(listener: str, *, days: int = 30, json: Flag = False) -> None:
    """Sign a token for one listener.

    Args:
        listener: Whom the token is for.
        days: How long it holds, 1 to 366.
        json: One JSON document on one line.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise BadUsage(f"token: found --days {days}; wanted 1 to {LONGEST_DAYS}")
    settings = Settings.from_environment()
    if not settings.secret:
        wanted = "wanted a secret of 32 bytes or more, the same one that the API is started with"
        raise CommandFailed(f"signing a token: {SECRET.variable} is not set; {wanted}")
    signed_ms = now_ms()
    signed = sign(_listener(listener), settings.secret, now_ms=signed_ms, seconds=days * DAY_S)
    expires = datetime.fromtimestamp(signed_ms // 1_000 + days * DAY_S, tz=UTC).isoformat()
    if json:
        emit({"listener": listener, "token": signed, "expires": expires})
    else:
        console().print(signed, markup=False, soft_wrap=True)


def _listener(text: str) -> str:
    try:
        return msgspec.convert(text, Id)
    except msgspec.ValidationError as error:
        raise BadUsage(f"token: {text!r} is no listener id: {error}") from error
