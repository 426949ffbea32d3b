"""What a format is recognised by, and what its reader is told."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

CUT_OFF = "truncated"  # in what msgspec says of JSON that ends before it is over
HEAD_BYTES = 65_536


@dataclass(frozen=True)
class Sample:
    """The first bytes of a file, and its columns where it is Parquet."""

    name: str
    head: bytes
    parquet: bool = False
    parquet_columns: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns: Parquet's own, or the fields of the first line."""
        return self.parquet_columns if self.parquet else self.first_line

    @cached_property
    def text(self) -> str:
        """The head as text; a character cut in two at its end does not matter."""
        return self.head.decode("utf-8-sig", errors="replace")

    @cached_property
    def cut_off(self) -> bool:
        """Whether it is a JSON array that ends before it is over."""
        text = self.text.strip()
        if len(self.head) >= HEAD_BYTES or not text.startswith("[") or text.endswith("]"):
            return False
        try:
            msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            return CUT_OFF in str(error)
        return False

    @cached_property
    def delimiter(self) -> str:
        """What stands most often between the fields of the first line: comma, semicolon or tab."""
        line = self.text.partition("\n")[0]
        return max(",;\t", key=line.count)

    @cached_property
    def first_line(self) -> tuple[str, ...]:
        """The fields of the first line, as CSV reads them; none where the file is not text."""
        if b"\0" in self.head or not self.text:
            return ()
        try:
            fields = next(csv.reader([self.text.splitlines()[0]], delimiter=self.delimiter), [])
        except (csv.Error, IndexError):
            return ()
        return tuple(name.strip() for name in fields)


@dataclass(frozen=True)
class Source:
    """A column of a file and the unit of what is in it (`s`, `ms`, `iso`, or none)."""

    column: str
    unit: str | None = None


@dataclass(frozen=True)
class Reading:
    """How one file is to be read: its name in messages, whose it is, and for tables which column means what."""

    name: str
    sample: Sample
    listener: str | None = None
    source: str | None = None
    columns: Mapping[str, Source] = field(default_factory=dict)
