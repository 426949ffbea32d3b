"""Listener tokens: JSON web tokens (RFC 7519) signed with HS256, each good for one listener until it expires."""

from __future__ import annotations

import jwt

AUDIENCE = "backbeat"
ALGORITHM = "HS256"


class TokenRefused(Exception):
    """A token that does not hold; says why, and never what the secret is."""


def sign(listener_id: str, secret: str, *, now_ms: int, seconds: int) -> str:
    """A token for this listener, which expires `seconds` after `now_ms`."""
    issued = now_ms // 1_000
    claims = {"sub": listener_id, "aud": AUDIENCE, "iat": issued, "exp": issued + seconds}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def verify(token: str, secret: str, *, now_ms: int) -> str:
    """The listener that the token was signed for. Raises `TokenRefused`."""
    # PyJWT reads the machine's clock, so times are compared here, with the caller's.
    options = {"require": ["sub", "aud", "exp"], "verify_exp": False, "verify_iat": False}
    try:
        claims = jwt.decode(token, secret, algorithms=[ALGORITHM], audience=AUDIENCE, options=options)  # type: ignore[arg-type]  # PyJWT's own TypedDict
    except jwt.InvalidTokenError as error:
        raise TokenRefused(f"The token does not hold: {error}.") from error
    expires = claims["exp"]
    if not isinstance(expires, int) or expires <= now_ms // 1_000:
        raise TokenRefused("The token has expired.")
    return str(claims["sub"])
