"""core.plays and features.matrix -> a verdict on the data: an empty, torn or outsized day never becomes a model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from jobs.run import JobRun, StepRefused
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_PLAYS, FEATURES_MATRIX, Table

LOOK_BACK_DAYS = 28
LEAST_DAYS = 7  # with fewer days behind it, a day's volume is not judged
LOWEST_SHARE, HIGHEST_SHARE = 0.1, 10.0  # of the median day's counted plays


@dataclass(frozen=True)
class Finding:
    """One check that did not hold: what was found, and what was wanted."""

    check: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.check}: found {self.found}, wanted {self.wanted}"


def main(run: JobRun) -> None:
    """Raise `StepRefused` with every finding, where there are any."""
    findings = [*torn_rows(run.lake, CORE_PLAYS, run.as_of), *volume(daily_counts(run.lake, run.as_of), run.as_of)]
    findings += empty_matrix(run.lake)
    run.tally.read += run.lake.count(CORE_PLAYS)
    if findings:
        raise StepRefused("the data is not fit to learn from: " + "; ".join(map(str, findings)))


def torn_rows(lake: Lake, table: Table, as_of: date) -> list[Finding]:
    """Columns with unknown values that their declaration does not allow, and rows that are there twice."""
    rows = lake.reading(table, as_of=as_of).relation()
    needed = [column.name for column in table.columns if not column.null]
    nulls = ", ".join(f'count(*) - count("{name}")' for name in needed)
    [(_, *unknown)] = rows.aggregate(f"count(*), {nulls}").fetchall()
    findings = [
        Finding(f"{table.name}.{name}", f"{missing:,} unknown values", "none")
        for name, missing in zip(needed, unknown, strict=True)
        if missing
    ]
    grain = ", ".join(table.grain)
    repeated = rows.aggregate("count(*) AS times", grain).filter("times > 1").aggregate("count(*)")
    [(twice,)] = repeated.fetchall()
    return findings + [Finding(f"{table.name} by {grain}", f"{twice:,} repeated", "none")][: bool(twice)]


def daily_counts(lake: Lake, as_of: date) -> dict[date, int]:
    """Counted plays of each day before `as_of`."""
    rows = lake.reading(CORE_PLAYS, as_of=as_of, columns=["day", "counts"]).relation()
    return dict(rows.filter("counts").aggregate("day, count(*)", "day").fetchall())


def volume(counts: dict[date, int], as_of: date) -> list[Finding]:
    """The last day against the median of the four weeks before it."""
    last = as_of - timedelta(days=1)
    found = counts.get(last, 0)
    if found == 0:
        return [Finding(f"counted plays on {last}", "none", "some: the day is empty")]
    window = [last - timedelta(days=back) for back in range(1, LOOK_BACK_DAYS + 1)]
    past = sorted(counts[day] for day in window if day in counts)
    if len(past) < LEAST_DAYS:
        return []
    usual = past[len(past) // 2]
    if LOWEST_SHARE * usual <= found <= HIGHEST_SHARE * usual:
        return []
    wanted = f"{LOWEST_SHARE:g} to {HIGHEST_SHARE:g} times the {usual:,} of the median day of four weeks"
    return [Finding(f"counted plays on {last}", f"{found:,}", wanted)]


def empty_matrix(lake: Lake) -> list[Finding]:
    """A matrix that nobody is in."""
    return [] if lake.count(FEATURES_MATRIX) else [Finding(FEATURES_MATRIX.name, "no rows", "some")]
