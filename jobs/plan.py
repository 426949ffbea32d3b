"""The plans: which steps make which tables, in which order, said once. The embedded runner and the DAGs read it here.

Plain Python that imports nothing, so that a scheduler's environment can read it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One step: `name` is its module in `jobs`, `reads` and `writes` are tables, artifacts and stores by name."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    minutes: int  # after which whoever is on call is told
    doc: str
    dated: bool = True  # whether it is as of a day: without one it runs on an empty lake too
    by_day: bool = False  # whether it makes a table day by day, and so can make chosen days anew


@dataclass(frozen=True)
class Plan:
    """Steps in an order in which each may run after those before it."""

    name: str
    doc: str
    steps: tuple[Step, ...]

    def step(self, name: str) -> Step:
        """The step of that name. Raises KeyError."""
        return {step.name: step for step in self.steps}[name]

    def upstream_of(self, step: Step) -> tuple[str, ...]:
        """The earlier steps that write what this one reads or writes."""
        earlier = self.steps[: self.steps.index(step)]
        touched = {*step.reads, *step.writes}
        return tuple(other.name for other in earlier if touched & set(other.writes))


LAND = Step(
    "land_events",
    reads=("log",),
    writes=("raw.plays", "raw.signals", "raw.impressions", "raw.erasures", "raw.deadletters"),
    minutes=15,
    doc="Brings what the API accepted from the event log into the lake, each record once",
    dated=False,
)
CORE_TRACKS = Step(
    "core_tracks",
    reads=("raw.tracks",),
    writes=("core.tracks", "core.catalog"),
    minutes=15,
    doc="Gives each source's track its one track_id",
)
CORE_PLAYS = Step(
    "core_plays",
    reads=("raw.plays", "raw.erasures", "core.tracks"),
    writes=("core.plays",),
    minutes=30,
    doc="Each play once, and whether it counts",
    by_day=True,
)
CORE_SESSIONS = Step(
    "core_sessions",
    reads=("core.plays",),
    writes=("core.sessions",),
    minutes=30,
    doc="Counted plays in their sessions",
    by_day=True,
)
FEATURES_TASTE = Step(
    "features_taste",
    reads=("core.plays",),
    writes=("features.taste",),
    minutes=30,
    doc="Counts a listener, track and day",
    by_day=True,
)
FEATURES_OUTCOMES = Step(
    "features_outcomes",
    reads=("raw.impressions", "raw.plays", "raw.erasures", "core.tracks", "core.plays"),
    writes=("features.outcomes",),
    minutes=30,
    doc="What became of what was shown",
    by_day=True,
)
FEATURES_TRANSITIONS = Step(
    "features_transitions",
    reads=("core.sessions",),
    writes=("features.transitions",),
    minutes=30,
    doc="What followed what within a session",
    by_day=True,
)
CHARTS_DAILY = Step(
    "charts_daily",
    reads=("core.plays",),
    writes=("charts.daily",),
    minutes=15,
    doc="The most played tracks a day, everywhere and by country",
    by_day=True,
)
FEATURES_MATRIX = Step(
    "features_matrix",
    reads=("features.taste",),
    writes=("features.matrix",),
    minutes=30,
    doc="How much each listener is into each track as of the day",
)
CHECK = Step(
    "check_data",
    reads=("core.plays", "features.matrix"),
    writes=("model.checked",),
    minutes=10,
    doc="Stops the day where its data is empty, torn or out of proportion",
)
TRAIN = Step(
    "train",
    reads=("features.taste", "features.transitions", "model.checked"),
    writes=("model.candidate",),
    minutes=60,
    doc="Fits the candidate's and the published configuration before the split day",
)
EVALUATE = Step(
    "evaluate",
    reads=("model.candidate", "features.taste", "features.outcomes", "core.sessions"),
    writes=("model.evaluation",),
    minutes=60,
    doc="Measures both on the days after the split",
)
GATE = Step(
    "gate",
    reads=("model.evaluation",),
    writes=("model.verdict",),
    minutes=5,
    doc="Refuses a candidate that is worse than what is published, or than popularity",
)
PUBLISH = Step(
    "publish",
    reads=(
        "model.verdict",
        "features.taste",
        "features.transitions",
        "features.matrix",
        "features.outcomes",
        "core.sessions",
        "core.catalog",
        "core.tracks",
        "core.plays",
        "raw.signals",
        "raw.erasures",
    ),
    writes=("model.published", "rows"),
    minutes=60,
    doc="Fits once on everything before the day, writes artifact and rows, moves the pointer",
)
COMPACT = Step(
    "compact",
    reads=(),
    writes=("lake",),
    minutes=120,
    doc="Merges small files of every table",
    dated=False,
)
EXPIRE = Step(
    "expire",
    reads=(),
    writes=("lake", "log"),
    minutes=60,
    doc="Forgets plays taken back, files that no kept version needs, and landed records past their retention",
    dated=False,
)

_TABLES = (
    LAND,
    CORE_TRACKS,
    CORE_PLAYS,
    CORE_SESSIONS,
    FEATURES_TASTE,
    FEATURES_OUTCOMES,
    FEATURES_TRANSITIONS,
    CHARTS_DAILY,
)
_MODEL = (FEATURES_MATRIX, CHECK, TRAIN, EVALUATE, GATE, PUBLISH)

DAILY = Plan("daily", "From what was played to what is recommended", (*_TABLES, *_MODEL))
TABLES = Plan("tables", "The tables alone, without a model", _TABLES)
TRAINING = Plan("train", "A model from the tables as they are", _MODEL)
UPKEEP = Plan("upkeep", "Compaction and retention", (COMPACT, EXPIRE))
PLANS = {plan.name: plan for plan in (DAILY, TABLES, TRAINING, UPKEEP)}
