"""What experiments read of the lake: who was shown something and when, what they played around that, and why."""

from __future__ import annotations

from datetime import date

import duckdb
import pyarrow as pa

from warehouse.rules.outcomes import OPEN, PLAYED
from warehouse.rules.quantity import DAY_MS
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_PLAYS, FEATURES_OUTCOMES

METRICS = {  # of counted plays; `when` chooses some of them
    "plays": "count(play_id) FILTER ({when})",
    "tracks": "count(DISTINCT track_id) FILTER ({when})",
    "minutes": "coalesce(sum(played_ms) FILTER ({when}), 0) / 60000.0",
}
POLICY = pa.schema(
    [
        ("impression_id", pa.string()),
        ("slot", pa.int32()),
        ("track_id", pa.string()),
        ("probability", pa.float64()),
    ]
)


def exposures(
    lake: Lake, experiment: str | None = None, shelf: str | None = None, since: date | None = None
) -> pa.Table:
    """`listener_id`, when each was first shown anything (`shown_ms`) and under which `arm`, in order of time.

    Under that experiment, on that shelf and from that day on; without an experiment under any or none. Erased listeners
    are not in it. Raises `NoSuchTable`.
    """
    with duckdb.connect() as engine:
        _bind_slots(engine, lake, shelf, since, experiment)
        return engine.sql(_EXPOSURES).to_arrow_table()


def around_exposure(lake: Lake, shown: pa.Table, metric: str, days: int) -> pa.Table:
    """What listeners of `exposures` did in the `days` from it (`value`), and in as many before (`before`).

    Only of those whose days were over when the newest play began, in that order, with the UTC `day` of it and their
    `arm`. Raises `NoSuchTable`, and KeyError for a metric that is not in `METRICS`.
    """
    window_ms = days * DAY_MS
    value = METRICS[metric].format(when=f"started_ms >= shown_ms AND started_ms < shown_ms + {window_ms}")
    before = METRICS[metric].format(when=f"started_ms < shown_ms AND started_ms >= shown_ms - {window_ms}")
    with duckdb.connect() as engine:
        engine.register("shown", shown)
        engine.register("core_plays", lake.dataset(CORE_PLAYS))
        return engine.sql(_AROUND.format(value=value, before=before, window_ms=window_ms)).to_arrow_table()


def rounds(
    lake: Lake, policy: pa.Table, shelf: str | None = None, since: date | None = None
) -> tuple[pa.Table, pa.Table]:
    """The settled slots that a policy speaks of, and what it would have shown there; `policy` has the columns `POLICY`.

    Slots: `round` from 0, `listener_id`, `track_id`, `slot`, `propensity` (or null), `reward`, 1.0 where it was played,
    `target`, the policy's chance of the track that was shown, and `above`, how much more often it would have shown all
    that is above the slot: null where the log or the policy does not say. Choices: `round`, `track_id`, `slot`,
    `probability`. Raises `NoSuchTable`.
    """
    with duckdb.connect() as engine:
        _bind_slots(engine, lake, shelf, since)
        engine.register("policy", policy)
        engine.execute(_ROUNDS, {"open": OPEN})
        return engine.sql(_LOGGED, params={"played": PLAYED}).to_arrow_table(), engine.sql(_CHOICES).to_arrow_table()


def provenance(lake: Lake, since: date | None = None) -> pa.Table:
    """Every counted play: `listener_id`, `track_id`, `week` (its Monday), and whether it was `recommended`.

    That is, whether it names an answer to its listener that showed its track. Raises `NoSuchTable`.
    """
    with duckdb.connect() as engine:
        _bind_slots(engine, lake, None, None)
        engine.register("core_plays", lake.dataset(CORE_PLAYS))
        return engine.sql(_PROVENANCE, params={"since": since or date.min}).to_arrow_table()


def _bind_slots(
    engine: duckdb.DuckDBPyConnection, lake: Lake, shelf: str | None, since: date | None, experiment: str | None = None
) -> None:
    engine.register("outcomes", lake.dataset(FEATURES_OUTCOMES))
    asked = {"shelf": shelf, "since": since, "experiment": experiment}
    engine.execute(_ASKED, asked)
    engine.execute(_SLOTS)


_ASKED = """
CREATE TABLE asked AS
SELECT $shelf::VARCHAR AS shelf, $since::DATE AS since, $experiment::VARCHAR AS experiment
"""

_SLOTS = """
CREATE VIEW slots AS
SELECT outcomes.*
FROM outcomes CROSS JOIN asked
WHERE (asked.shelf IS NULL OR outcomes.shelf = asked.shelf)
  AND (asked.since IS NULL OR outcomes.day >= asked.since)
  AND (asked.experiment IS NULL OR outcomes.experiment = asked.experiment)
"""

_EXPOSURES = """
SELECT listener_id, min(shown_ms) AS shown_ms, arg_min(arm, (shown_ms, impression_id)) AS arm
FROM slots
GROUP BY listener_id
ORDER BY shown_ms, listener_id
"""

_AROUND = """
SELECT
  shown.listener_id,
  shown.arm,
  make_timestamp_ms(shown_ms + {window_ms})::DATE AS day,
  ({value})::DOUBLE AS value,
  ({before})::DOUBLE AS before
FROM shown
CROSS JOIN (SELECT max(started_ms) AS now_ms FROM core_plays)
LEFT JOIN (SELECT listener_id, play_id, track_id, started_ms, played_ms FROM core_plays WHERE counts) AS plays
  ON plays.listener_id = shown.listener_id
  AND started_ms >= shown_ms - {window_ms}
  AND started_ms < shown_ms + {window_ms}
WHERE shown_ms + {window_ms} <= now_ms
GROUP BY shown.listener_id, shown.arm, shown_ms
ORDER BY shown_ms, shown.listener_id
"""

_ROUNDS = """
CREATE TABLE rounds AS
WITH spoken_of AS (
  SELECT slots.*, coalesce(policy.probability, 0.0) AS target
  FROM slots
  SEMI JOIN policy AS choices USING (impression_id, slot)
  LEFT JOIN policy USING (impression_id, slot, track_id)
), reached AS (
  SELECT
    *,
    CASE WHEN count(propensity) OVER above = slot THEN coalesce(product(target / propensity) OVER above, 1.0) END
      AS above
  FROM spoken_of
  WINDOW above AS (PARTITION BY impression_id ORDER BY slot ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT row_number() OVER (ORDER BY impression_id, slot) - 1 AS round, *
FROM reached
WHERE outcome <> $open
"""

_LOGGED = """
SELECT
  round,
  listener_id,
  track_id,
  slot,
  propensity,
  (outcome = $played)::DOUBLE AS reward,
  target,
  above
FROM rounds
ORDER BY round
"""

_CHOICES = """
SELECT round, policy.track_id, slot, probability
FROM rounds
JOIN policy USING (impression_id, slot)
ORDER BY round, policy.track_id
"""

_PROVENANCE = """
SELECT
  plays.listener_id,
  plays.track_id,
  date_trunc('week', plays.day)::DATE AS week,
  shown.track_id IS NOT NULL AS recommended
FROM core_plays AS plays
LEFT JOIN (SELECT DISTINCT listener_id, impression_id, track_id FROM slots) AS shown
  ON shown.listener_id = plays.listener_id
  AND shown.impression_id = plays.impression_id
  AND shown.track_id = plays.track_id
WHERE plays.counts AND plays.day >= $since
"""
