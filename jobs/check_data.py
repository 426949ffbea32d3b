"""core.plays and features.matrix -> a verdict on the data: an empty, torn or outsized day never becomes a model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from jobs.run import JobRun, StepRefused
from warehouse.rules.volume import HIGHEST_SHARE, LEAST_DAYS, LEAST_PLAYS, LOOK_BACK_DAYS, LOWEST_SHARE, median_day
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_PLAYS, FEATURES_MATRIX, Table


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
    findings = torn_rows(run.lake, CORE_PLAYS, run.as_of)
    findings += volume(daily_counts(run.lake, run.as_of), judged_day(run))
    findings += empty_matrix(run.lake)
    run.tally.read += run.lake.count(CORE_PLAYS)
    if findings:
        raise StepRefused("the data is not fit to learn from: " + "; ".join(map(str, findings)))


def judged_day(run: JobRun) -> date:
    """The last day before `as_of` that is over: today's plays have only begun to come in."""
    today = datetime.fromtimestamp(run.wiring.clock_ms() / 1_000, UTC).date()
    return min(run.as_of, today) - timedelta(days=1)


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
    if twice:
        findings.append(Finding(f"{table.name} by {grain}", f"{twice:,} repeated", "none"))
    return findings


def daily_counts(lake: Lake, as_of: date) -> dict[date, int]:
    """Counted plays of each day before `as_of`."""
    rows = lake.reading(CORE_PLAYS, as_of=as_of, columns=["day", "counts"]).relation()
    return dict(rows.filter("counts").aggregate("day, count(*)", "day").fetchall())


def volume(counts: dict[date, int], last: date) -> list[Finding]:
    """The last day against the median of the four weeks before it. Where few play, days may well differ."""
    found = counts.get(last, 0)
    window = [last - timedelta(days=back) for back in range(1, LOOK_BACK_DAYS + 1)]
    past = [counts[day] for day in window if day in counts]
    usual = median_day(past)
    if not counts:
        return [Finding("counted plays", "none", "some")]
    if usual < LEAST_PLAYS:
        return []
    if found == 0:
        return [Finding(f"counted plays on {last}", "none", "some: the day is empty")]
    if len(past) < LEAST_DAYS:
        return []
    if LOWEST_SHARE * usual <= found <= HIGHEST_SHARE * usual:
        return []
    wanted = f"{LOWEST_SHARE:g} to {HIGHEST_SHARE:g} times the {usual:,} of the median day of four weeks"
    return [Finding(f"counted plays on {last}", f"{found:,}", wanted)]


def empty_matrix(lake: Lake) -> list[Finding]:
    """A matrix that nobody is in."""
    return [] if lake.count(FEATURES_MATRIX) else [Finding(FEATURES_MATRIX.name, "no rows", "some")]
