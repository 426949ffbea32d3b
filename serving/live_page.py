"""The page /live put together: its style and its script within it, and a policy that allows these two and no host."""

from __future__ import annotations

import base64
from hashlib import sha256
from pathlib import Path

_FOLDER = Path(__file__).parent / "pages"


def page() -> tuple[bytes, str]:
    """The HTML, and the content security policy that goes with it."""
    style, script = ((_FOLDER / name).read_text("utf-8") for name in ("live.css", "live.js"))
    html = (_FOLDER / "live.html").read_text("utf-8")
    html = html.replace("/* live.css */", style).replace("/* live.js */", script)
    allowed = {
        "default-src": "'none'",
        "style-src": _hash(style),
        "script-src": _hash(script),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return html.encode(), "; ".join(f"{what} {where}" for what, where in allowed.items())


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(source.encode()).digest()).decode()}'"
