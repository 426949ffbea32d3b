"""Fitting stacked learners: what is played in a window is foretold from the plays before it.

No window tells anything of what comes after it: members, facts and tastes of a window are of the plays before it, and
the plays in it are labels alone. The members that are kept are fitted on everything. Plays in a window weigh 1 each,
whatever their age, as in the benchmarks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from models.base import Interactions
from models.evaluation.splits import SessionPlays, Split, SplitImpossible
from models.evaluation.timed import moment_split
from models.members import fit_members
from models.progress import UNHEARD, Arrays, PartProgress, Progress, parts_before
from models.ranking.forest_training import TooLittleHistory, grown
from models.reaching import told_order
from models.stacked import DAY_S, Said, Stacked, StackedConfig, batches, described, facts_of
from warehouse.rules.quantity import SECOND_MS

FEWEST = 20  # tracks that were played, and listeners who did; from fewer a forest would learn chance


def fit_stacked(interactions: Interactions, config: StackedConfig, progress: Progress = UNHEARD) -> Stacked:
    """Raises `TooLittleHistory`, ValueError where the order of the plays is unknown, and what fits of members raise."""
    sequences = told_order(interactions, Stacked.name)
    lessons: list[Arrays] = [*parts_before(progress.latest())]
    for at, split in islice(enumerate(windows(interactions, config), 1), len(lessons), None):
        lessons.append(lesson(split, config, at, PartProgress(progress, tuple(lessons), f" of window {at}")))
        PartProgress(progress, tuple(lessons)).keep_before()
    played = np.concatenate([np.empty(0, np.int64), *(one["played"] for one in lessons)])
    asked = sum(int(one["asked"].sum()) for one in lessons)
    if min(asked, played.sum()) < FEWEST:
        found = f"{asked} listeners came back in {len(lessons)} windows, to {played.sum()} tracks that members foretold"
        raise TooLittleHistory(f"{Stacked.name}: {found}; wanted {FEWEST} of each")
    members = fit_members(interactions, config.members, PartProgress(progress, tuple(lessons)), config.seed)
    rows = np.concatenate([one["rows"] for one in lessons])
    forest = grown(rows, played, config.columns, _parameters(config, len(rows)), config.trees, progress)
    return Stacked(config, members, facts_of(sequences, interactions.tracks), forest)


def windows(interactions: Interactions, config: StackedConfig) -> Iterator[Split]:
    """What was known before each window, and what was played in it: the oldest first, none that asks nobody.

    Windows of a history that is shorter than they and one more are shorter too.
    """
    sequences = told_order(interactions, Stacked.name)
    started = np.round(sequences.started_s * SECOND_MS).astype(np.int64)
    plays = SessionPlays(sequences.listeners, sequences.tracks, sequences.each_session, started)
    span = int(np.ptp(started)) if len(started) else 0
    length = max(min(round(config.days * DAY_S * SECOND_MS), span // (config.windows + 1)), 1)
    ends = int(started.max(initial=0)) + 1
    for begins in range(ends - config.windows * length, ends, length):
        try:
            yield moment_split(plays.where(started < begins + length), begins, new_only=config.new_only)
        except SplitImpossible:
            continue


def lesson(split: Split, config: StackedConfig, at: int, progress: Progress = UNHEARD) -> Arrays:
    """Of one window: rows [candidates, columns], which of them were `played`, how many listeners were `asked`."""
    random = np.random.default_rng((config.seed, at))
    members = fit_members(split.train, config.members, progress, config.seed)
    facts = facts_of(told_order(split.train, Stacked.name), split.known)
    rows, played = [np.empty((0, len(config.columns)), np.float32)], [np.empty(0, np.int64)]
    for part in batches(config, len(split.cases), split.known):
        tastes = split.cases.fresh[part]
        said = Said.of(config, members, tastes)
        right = _relevant(split, part.start, len(tastes))
        kept = right | (random.random(right.shape) < config.passed_over)
        chosen = said.put_forward(config.depth) & kept
        rows.append(described(said, facts, tastes, chosen))
        played.append(right[chosen].astype(np.int64))
    return {"rows": np.concatenate(rows), "played": np.concatenate(played), "asked": np.array([len(split.cases)])}


def _relevant(split: Split, start: int, count: int) -> npt.NDArray[np.bool_]:
    """Which tracks [cases, tracks] are answers to so many cases from `start` on; what nobody knew is no track here."""
    right = np.zeros((count, split.known), bool)
    for place in range(count):
        answers = split.cases.answers(start + place)
        right[place, answers[answers < split.known]] = True
    return right


def _parameters(config: StackedConfig, rows: int) -> dict[str, object]:
    return {
        "objective": "binary",
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": max(min(100, rows // 50), 1),
        "lambda_l2": 10.0,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "seed": config.seed,
    }
