"""Which days of a table are stale: those whose inputs changed since the versions that its last commit was made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from warehouse.stores.lake import Lake
from warehouse.tables import Table


@dataclass(frozen=True)
class Input:
    """A daily table that another is made from: a day rests on its days from `before` earlier to `after` later.

    A day that it alone has is a day of the other too, unless it only `joins`.
    """

    table: Table
    before: int = 0
    after: int = 0
    joins: bool = False

    def reopened_by(self, changed: date) -> set[date]:
        """The days of the output that a change on this day of the input touches."""
        return {changed + timedelta(days=shift) for shift in range(-self.after, self.before + 1)}

    def needed_for(self, days: Iterable[date]) -> set[date]:
        """The days of the input that those days of the output are made from."""
        return {day + timedelta(days=shift) for day in days for shift in range(-self.before, self.after + 1)}


@dataclass(frozen=True)
class Days:
    """The days from `first` to `last`, both among them."""

    first: date
    last: date

    @classmethod
    def parsed(cls, text: str) -> Days:
        """From 2014-12-01..2014-12-07, or one day alone. Raises ValueError."""
        first, _, last = text.partition("..")
        days = cls(date.fromisoformat(first), date.fromisoformat(last or first))
        if days.last < days.first or str(days) not in {text, f"{text}..{text}"}:
            raise ValueError(f"found {text!r}, wanted FROM..TO or one day, FROM not after TO")
        return days

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"


@dataclass(frozen=True)
class Interval:
    """The days to write now, and the input versions that the commit must remember."""

    days: frozenset[date]
    versions: Mapping[str, int | None] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """What goes into the commit that writes these days."""
        return {"inputs": dict(self.versions)}


def stale_interval(
    lake: Lake,
    output: Table,
    inputs: Sequence[Input],
    *,
    also: Iterable[date] = (),
    reopened: Days | None = None,
    versions: Mapping[str, int | None] | None = None,
) -> Interval:
    """The stale days of `output`, of those that it or an input has.

    `also` are days that inputs which are not daily have reopened; `versions` are those of these inputs. The days in
    `reopened` are stale whatever their inputs: somebody has said so.
    """
    known = lake.commit_metadata(output).get("inputs", {})
    stale, existing = set(also), lake.days(output)
    now: dict[str, int | None] = dict(versions or {})
    for source in inputs:
        now[source.table.name] = lake.version(source.table)
        existing |= set() if source.joins else lake.days(source.table)
        since = known.get(source.table.name)
        for changed in lake.changed_days(source.table, since):
            stale |= source.reopened_by(changed)
        if not lake.remembers(source.table, since):
            stale |= lake.days(output)  # days that have left the input are among them
    if reopened is not None:
        stale |= {day for day in existing if day in reopened}
    return Interval(frozenset(stale & existing), now)
