"""A file's bytes as valid UTF-8: what is none is marked, so that a table reader takes the file and its row is found."""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path

MARK = "\uffff"  # a noncharacter: no text has it
_ESCAPED = re.compile("[\udc80-\udcff]")
_GROWTH = 3  # bytes of a mark, for each byte that it stands for


class Utf8File(io.RawIOBase):
    """A readable file in which each byte that is not part of UTF-8 has become `MARK`."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; none at the end."""
        while True:
            chunk = self._file.read(max(size // _GROWTH, 1) if size >= 0 else -1)
            text = self._decoder.decode(chunk, final=not chunk)
            if text or not chunk:
                return (text if text.isascii() else _ESCAPED.sub(MARK, text)).encode()

    def close(self) -> None:
        self._file.close()
        super().close()
