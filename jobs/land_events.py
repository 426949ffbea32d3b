"""The event log -> raw.*: what the API accepted lands in the lake, each record once; see `warehouse.stores.landing`."""

from __future__ import annotations

from contextlib import closing

from jobs.run import JobRun
from warehouse.stores.landing import LANDINGS, land


def main(run: JobRun) -> None:
    """Bring every topic up to its end."""
    with closing(run.wiring.open_log()) as log:
        for landing in LANDINGS:
            landed = land(run.lake, log, landing)
            run.tally.written += landed.rows + landed.dead_letters
            for name, found in (("dead_letters", landed.dead_letters), ("records_missed", landed.missed)):
                if found:
                    run.tally.facts[name] = run.tally.facts.get(name, 0) + found
