"""What a web page of another site could make a browser on this machine send: refused before a route sees it.

A page may send a POST without asking first only where its body is no JSON, and we allow no other origin anything. A
name of its own that it points at 127.0.0.1 (DNS rebinding) is told by the Host header.
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from litestar import Request

from serving.problems import Refused

JSON = "application/json"


def check_browser(request: Request[Any, Any, Any], *, any_host: bool) -> None:
    """Raises `Refused`: 415 for a POST that is no JSON, and, unless `any_host`, 421 for a name not of this machine."""
    host = request.headers.get("host", "")
    if not any_host and not _is_local(host):
        detail = f"The Host is {host!r}; without BACKBEAT_SECRET wanted localhost, 127.0.0.1 or [::1]."
        raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "misdirected-request", detail)
    kind = request.headers.get("content-type", "")
    if request.method == "POST" and kind.partition(";")[0].strip().lower() != JSON:
        detail = f"The Content-Type is {kind!r}; wanted {JSON}."
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)


def _is_local(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
