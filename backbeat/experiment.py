"""`backbeat experiment`: arms and their sizes, what they changed, other policies by the log, and the feedback loop."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from cyclopts import App

from backbeat.output import BadUsage, CommandFailed, Flag, console, emit, notice, table
from backbeat.policy_file import policy_of
from backbeat.running_experiment import experiment_file, experiment_of
from backbeat.settings import Settings
from backbeat.wiring import read_lake
from models.base import Positions
from models.experiments import feedback as loop
from models.experiments import off_policy as ope
from models.experiments.assignment import Experiment, assigned, assigned_all
from models.experiments.sequential import BURN_IN
from models.experiments.study import (
    FEWEST_PLANNED,
    Choices,
    Comparison,
    arm_numbers,
    checked_sizes,
    compared,
    estimates,
)
from models.history import day_of
from warehouse.rules.quantity import DAY_MS
from warehouse.stores.experiments import around_exposure, exposures, provenance, rounds

app = App(name="experiment", help="Experiments: who is in which arm, and what that says.")
SEED = 11  # of bootstraps
LONGEST_DAYS = 366
MOST_PLANNED = 10**9


@app.command
def assign(listener_id: str, /, *, experiment: Path | None = None, json: Flag = False) -> None:
    """Say which arm a listener is in.

    Args:
        listener_id: Who.
        experiment: The experiment, as JSON; by default BACKBEAT_EXPERIMENT, or experiment.json in BACKBEAT_HOME.
        json: One JSON document on one line.
    """
    asked = _experiment(experiment)
    arm = assigned(asked, listener_id)
    if json:
        emit({"experiment": asked.name, "listener_id": listener_id, "arm": arm})
    else:
        console().print(arm or f"{listener_id} takes no part in {asked.name}", markup=False)


@app.command
def check(
    *,
    experiment: Path | None = None,
    shelf: str | None = None,
    since: date | None = None,
    by_hash: Flag = False,
    json: Flag = False,
) -> None:
    """Say whether the arms have the sizes that were asked for, among listeners who were shown anything under them.

    It may be asked every day. Exits 1 on a mismatch.

    Args:
        experiment: The experiment, as JSON; by default BACKBEAT_EXPERIMENT, or experiment.json in BACKBEAT_HOME.
        shelf: Only what was shown on this shelf.
        since: Only what was shown on this day or later.
        by_hash: Of everybody who was shown anything, by the hash: for an experiment that the API did not run.
        json: One JSON document on one line.
    """
    asked = _experiment(experiment)
    shown = read_lake(
        Settings.from_environment(), lambda lake: exposures(lake, None if by_hash else asked.name, shelf, since)
    )
    days = shown["shown_ms"].to_numpy() // DAY_MS
    try:
        found = checked_sizes(asked, _arms(asked, shown, by_hash), days)
    except ValueError as error:
        raise CommandFailed(f"checking {asked.name}: {error}") from error
    counts = {arm.name: int(count) for arm, count in zip(asked.arms, found.counts, strict=True)}
    if json:
        emit({"experiment": asked.name, "verdict": found.verdict, "p_value": found.p_value, "listeners": counts})
    else:
        console().print(found.told, markup=False)
    if found.verdict == "mismatch":
        raise CommandFailed(f"sample ratio mismatch in {asked.name}")


@app.command
def compare(
    *,
    planned: int,
    metric: Literal["plays", "tracks", "minutes"] = "plays",
    days: int = 7,
    experiment: Path | None = None,
    shelf: str | None = None,
    since: date | None = None,
    by_hash: Flag = False,
    adjust: bool = True,
    json: Flag = False,
) -> None:
    """Compare each arm with the first, by what listeners did in the days after they were first shown anything under it.

    It may be asked every day: the intervals hold at all days at once.

    Args:
        planned: How many listeners all arms should have at the end, chosen beforehand: intervals are narrowest there.
        metric: Counted plays, different tracks, or minutes heard, a listener.
        days: How long each listener is watched; who has not been so long yet is left out.
        experiment: The experiment, as JSON; by default BACKBEAT_EXPERIMENT, or experiment.json in BACKBEAT_HOME.
        shelf: Only what was shown on this shelf.
        since: Only what was shown on this day or later.
        by_hash: Of everybody who was shown anything, by the hash: for an experiment that the API did not run.
        adjust: Take out what the same days before tell (CUPED).
        json: One JSON document on one line.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise BadUsage(f"--days is {days}; wanted 1 to {LONGEST_DAYS}")
    if not FEWEST_PLANNED <= planned <= MOST_PLANNED:
        raise BadUsage(f"--planned is {planned}; wanted {FEWEST_PLANNED} to {MOST_PLANNED:,} listeners of all arms")
    asked = _experiment(experiment)
    logged = None if by_hash else asked.name
    seen = read_lake(
        Settings.from_environment(),
        lambda lake: around_exposure(lake, exposures(lake, logged, shelf, since), metric, days),
    )
    value, before = seen["value"].to_numpy(), seen["before"].to_numpy() if adjust else None
    try:
        found = compared(asked, _arms(asked, seen, by_hash), _day_numbers(seen["day"]), value, before, planned)
    except ValueError as error:
        raise CommandFailed(f"comparing {asked.name}: {error}") from error
    told = _compared(found)
    for arm in found.compared:
        if (fewest := min(arm.listeners)) < BURN_IN:
            enough = f"{asked.arms[0].name} and {arm.arm} have {BURN_IN} listeners each whose time is over"
            notice(f"there is an interval once {enough}; the smaller of the two has {fewest}")
    if json:
        emit({"experiment": asked.name, "metric": metric, "days": days, "variance_kept": found.kept, "arms": told})
        return
    title = (
        f"{asked.name}: {metric} in {days} days, beside {asked.arms[0].name}; CUPED left {found.kept:.0%} of variance"
    )
    columns = ["arm", "listeners", "mean", "difference", "low", "high", "p_value", "decided"]
    console().print(table(title, columns, [[arm[column] for column in columns] for arm in told]))


def _compared(found: Comparison) -> list[dict[str, Any]]:
    told = []
    for arm in found.compared:
        last, decided = arm.sequence, arm.sequence.decided_at
        told.append(
            {
                "arm": arm.arm,
                "listeners": arm.listeners[1],
                "mean": arm.means[1],
                "control_listeners": arm.listeners[0],
                "control_mean": arm.means[0],
                "difference": float(last.difference[-1]),
                "low": _finite(last.low[-1]),
                "high": _finite(last.high[-1]),
                "p_value": float(last.p_value[-1]),
                "decided": None if decided is None else str(day_of(found.days[decided])),
            }
        )
    return told


@app.command(name="off-policy")
def off_policy(
    policy: Path,
    /,
    *,
    shelf: str | None = None,
    since: date | None = None,
    clip: float | None = None,
    json: Flag = False,
) -> None:
    """Estimate how often slots would have been played under another policy, from the log of the one that ran.

    Args:
        policy: Parquet or CSV: impression_id, slot, track_id, and the probability of that track there, given what is
            above.
        shelf: Only slots of this shelf.
        since: Only slots shown on this day or later.
        clip: The most that a slot may weigh.
        json: One JSON document on one line.
    """
    chances = policy_of(policy)
    logged, choices = read_lake(Settings.from_environment(), lambda lake: rounds(lake, chances, shelf, since))
    known = pc.and_(logged["propensity"].is_valid(), logged["above"].is_valid()).to_numpy(zero_copy_only=False)
    if apart := _apart(len(chances), logged, known):
        raise CommandFailed(f"estimating {policy}: {apart}")
    try:
        found = _estimated(logged, choices, known, clip)
    except ValueError as error:
        raise CommandFailed(f"estimating {policy}: {error}") from error
    document = {"slots": int(known.sum()), "of_unknown_propensity": int((~known).sum()), **found}
    if json:
        emit(document)
        return
    title = f"{document['slots']:,} slots, {document['of_unknown_propensity']:,} more of unknown propensity"
    rows = [[name, *told.values()] for name, told in found["estimates"].items()]
    console().print(table(title, ["estimator", "played", "low", "high", "bootstrap low", "bootstrap high"], rows))
    console().print(table("how far the log carries", ["", ""], list(found["support"].items())))


def _apart(rows: int, logged: pa.Table, known: npt.NDArray[np.bool_]) -> str | None:
    """Why a policy of so many rows says nothing of the log, and what is wanted; None where it says something."""
    if not len(logged):
        of = "settled slots of features.outcomes, of that --shelf and --since where they are given"
        return f"none of its {rows:,} rows names a settled slot of the log by impression_id and slot; wanted {of}"
    if not known.any():
        of = "a slot whose propensity is logged, and those of all above it"
        return f"none of the {len(logged):,} slots that it names has a known propensity; wanted {of}"
    if not pc.any(pc.greater(logged["target"], 0)).as_py():
        of = "tracks by the track_id of features.outcomes, not by an id of a source (core.tracks has both)"
        return f"in none of the {len(logged):,} slots that it names would it show the track that was shown; wanted {of}"
    return None


def _estimated(logged: pa.Table, choices: pa.Table, known: npt.NDArray[np.bool_], clip: float | None) -> dict[str, Any]:
    """The estimates and the support, over the slots whose chances and those above are `known` [slots]."""
    kept = logged.filter(pa.array(known))
    chosen = choices.filter(pa.array(known[choices["round"].to_numpy()]))
    tracks = _codes(pa.chunked_array([*kept["track_id"].chunks, *chosen["track_id"].chunks], pa.string()))
    reward, propensity, target, above = (kept[name].to_numpy() for name in ("reward", "propensity", "target", "above"))
    log = ope.Rounds(reward, propensity, target, _codes(kept["listener_id"]), above)
    of = (np.cumsum(known) - 1)[chosen["round"].to_numpy()]
    places = Choices(of, tracks[len(kept) :], _whole(chosen["slot"]), chosen["probability"].to_numpy())
    found = estimates(log, tracks[: len(kept)], _whole(kept["slot"]), places, clip)
    return {
        "estimates": {name: _interval(estimate) for name, estimate in found.items()},
        "support": asdict(ope.support(log, clip)),
    }


def _interval(estimate: ope.Estimate) -> dict[str, float | None]:
    normal, drawn = estimate.normal(), estimate.bootstrap(SEED)
    told = {"value": normal.mean, "low": normal.low, "high": normal.high}
    return {name: _finite(value) for name, value in (told | {"boot_low": drawn.low, "boot_high": drawn.high}).items()}


@app.command
def feedback(*, since: date | None = None, json: Flag = False) -> None:
    """Show by week what was recommended beside what listeners found: how concentrated, how alike, how popular.

    Args:
        since: Only plays of this day and later.
        json: One JSON document on one line.
    """
    plays = read_lake(Settings.from_environment(), lambda lake: provenance(lake, since))
    if not len(plays):
        raise CommandFailed("reporting feedback: no counted play; wanted one at least")
    weeks = _day_numbers(plays["week"])
    recommended = plays["recommended"].to_numpy(zero_copy_only=False)
    told = loop.feedback(loop.Plays(_codes(plays["listener_id"]), _codes(plays["track_id"]), weeks, recommended))
    if json:
        emit({"weeks": [asdict(week) | {"week": str(day_of(week.week))} for week in told.weeks]})
        return
    columns = ["week of", "plays", "recommended", "drift bits"]
    measures = ["gini", "effective_tracks", "coverage", "overlap", "popularity"]
    for kind in ("organic", "recommended", "everything"):
        rows = []
        for week in told.weeks:
            spread = getattr(week, kind)
            if spread is not None:
                figures = [getattr(spread, measure) for measure in measures]
                rows.append([day_of(week.week), spread.plays, week.recommended_share, week.drift_bits, *figures])
        if rows:
            console().print(table(kind, [*columns, *(measure.replace("_", " ") for measure in measures)], rows))


def _experiment(path: Path | None) -> Experiment:
    return experiment_of(path or experiment_file(Settings.from_environment()))


def _arms(experiment: Experiment, listeners: pa.Table, by_hash: bool) -> Positions:
    """Each listener's arm by number: as logged, or as the hash says. Raises `CommandFailed` for a foreign arm."""
    hashed = assigned_all(experiment, listeners["listener_id"].to_pylist())
    if by_hash:
        return arm_numbers(experiment, hashed)
    logged = listeners["arm"].to_pylist()
    if foreign := set(logged) - {arm.name for arm in experiment.arms}:
        raise CommandFailed(
            f"reading {experiment.name}: the log has the arms {sorted(foreign)}, which the file has not"
        )
    if moved := sum(one != other for one, other in zip(logged, hashed, strict=True)):
        notice(f"{moved:,} listeners were in another arm, or in none, by the file as it is now: it has been changed")
    return arm_numbers(experiment, logged)


def _codes(column: pa.ChunkedArray) -> Positions:
    """A number for each value, from 0 in the order in which values come."""
    return column.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)


def _whole(column: pa.ChunkedArray) -> Positions:
    return column.cast(pa.int64()).to_numpy().astype(np.int64)


def _day_numbers(column: pa.ChunkedArray) -> Positions:
    return _whole(column.cast(pa.int32()))


def _finite(value: float) -> float | None:
    """JSON knows no infinity: an interval that has no end yet is open."""
    return float(value) if np.isfinite(value) else None
