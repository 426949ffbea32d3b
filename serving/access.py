"""Who may ask about whom: with a secret, a bearer token signed for the listener; without one, whoever reaches us."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from serving.parameters import path_id
from serving.problems import Fault, Refused
from serving.service.ports import Clock
from serving.tokens import TokenRefused, verify

_SCHEME = "bearer "
Connection = ASGIConnection[Any, Any, Any, Any]


class Access:
    """Checks tokens against `secret`; an empty one asks for none."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def check(self, connection: Connection, listeners: Iterable[str], pointer: str = "") -> None:
        """Raises `Refused`: 401 without a valid token, 403 where a listener is not the token's.

        `pointer` says where the body has them, `{}` standing for the place; the first that is another's is named.
        """
        if not self._secret:
            return
        mine = self._listener(connection.headers.get("authorization", ""))
        for place, listener in enumerate(listeners):
            if listener != mine:
                detail = f"The token is for {mine!r}, and the request is about {listener!r}."
                errors = [Fault(detail, pointer=pointer.format(place))] if pointer else []
                raise Refused(HTTPStatus.FORBIDDEN, "another-listener", detail, errors)

    async def guard(self, connection: Connection, _: BaseRouteHandler) -> None:
        """For routes with a listener in the path. Async, as Litestar would take any other to a thread and back."""
        if self._secret:
            self.check(connection, [path_id(connection.path_params["listener_id"], "listener_id")])

    def _listener(self, authorization: str) -> str:
        if not authorization.lower().startswith(_SCHEME):
            raise _unauthorized("Wanted a header `Authorization: Bearer TOKEN`; `backbeat token LISTENER` makes one.")
        try:
            return verify(authorization[len(_SCHEME) :].strip(), self._secret, now_ms=self._clock())
        except TokenRefused as error:
            raise _unauthorized(str(error)) from error


def _unauthorized(detail: str) -> Refused:
    headers = {"WWW-Authenticate": 'Bearer realm="backbeat"'}
    return Refused(HTTPStatus.UNAUTHORIZED, "token-refused", detail, headers=headers)
