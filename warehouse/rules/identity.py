"""Who a track is: by ISRC, else MusicBrainz id, else the hash of its folded artist and title."""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b

_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_MBID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def isrc_of(text: str | None) -> str | None:
    """The ISRC (ISO 3901) without its hyphens, in capitals, or None where the text is none."""
    folded = (text or "").replace("-", "").strip().upper()
    return folded if _ISRC.fullmatch(folded) else None


def mbid_of(text: str | None) -> str | None:
    """The MusicBrainz id in small letters, or None where the text is none."""
    folded = (text or "").strip().lower()
    return folded if _MBID.fullmatch(folded) else None


def folded(name: str) -> str:
    """A name without case, accents, punctuation and runs of space: `Beyoncé ` and `BEYONCE` are one.

    A name of punctuation alone (`!!!`) keeps it, since nothing else would be left.
    """
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in bare.replace("'", "").replace("\u2019", "")).split()
    return " ".join(words) or " ".join(bare.split())


def name_key(artist: str | None, title: str | None) -> str | None:
    """`name:` and a 96-bit hash of the folded artist and title, or None where either is missing."""
    who, what = folded(artist or ""), folded(title or "")
    if not who or not what:
        return None
    return "name:" + blake2b(f"{who}\x1f{what}".encode(), digest_size=12).hexdigest()
