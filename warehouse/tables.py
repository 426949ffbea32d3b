"""Every table of the lake, declared once: grain, owner, partition, and each column with type, unit and meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

DAY = "day"
EVERYWHERE = "all"  # in place of a country, in a chart


@dataclass(frozen=True)
class Column:
    """One column; `comment` names the unit where there is one. `null` is what an unknown value is."""

    name: str
    type: pa.DataType
    comment: str
    null: bool = False


@dataclass(frozen=True)
class Table:
    """A `layer.name` of the lake. A table with a `day` column is partitioned by it."""

    name: str
    comment: str
    grain: tuple[str, ...]
    owner: str
    columns: tuple[Column, ...]
    reads: tuple[str, ...] = ()
    volatile: frozenset[str] = frozenset()  # columns that tell of the telling, left out of content hashes

    @property
    def daily(self) -> bool:
        return any(column.name == DAY for column in self.columns)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type, nullable=c.null) for c in self.columns])

    @property
    def content(self) -> tuple[str, ...]:
        """The columns whose values two equal runs must agree on."""
        return tuple(c.name for c in self.columns if c.name not in self.volatile)


TEXT, LONG, INT, REAL, FLAG, DATE = pa.string(), pa.int64(), pa.int32(), pa.float64(), pa.bool_(), pa.date32()

_LISTENER = Column("listener_id", TEXT, "who listened")
_TRACK = Column("track_id", TEXT, "the one id of the track, see core.tracks")
_DAY = Column(DAY, DATE, "the UTC day of started_ms")
_STARTED = Column("started_ms", LONG, "when the play began, UTC ms")
_RECEIVED = Column("received_ms", LONG, "when Backbeat learned of it, UTC ms")
_IMPORT = Column("import_id", TEXT, "the import that told it; null when the API did", null=True)
_IMPRESSION = Column("impression_id", TEXT, "one answer of the API")
_SLOT = Column("slot", INT, "place in the answer, from 0")
_SHELF = Column("shelf", TEXT, "discover, on-repeat, next, popular, weekly-discovery, daily-mix")
_BROUGHT_BY = Column("source", TEXT, "the model that brought the track")
_MODEL = Column("model_version", TEXT, "the published artifact")
_PROPENSITY = Column(
    "propensity", REAL, "the chance, above 0 to 1, that the slot had of showing this track given those above", null=True
)
_EXPERIMENT = Column("experiment", TEXT, "the experiment under which it was shown", null=True)
_ARM = Column("arm", TEXT, "the listener's arm in it", null=True)
_NAMES = (
    Column("title", TEXT, "as told", null=True),
    Column("artist", TEXT, "as told", null=True),
    Column("album", TEXT, "as told", null=True),
    Column("isrc", TEXT, "ISO 3901, without hyphens", null=True),
    Column("mbid", TEXT, "MusicBrainz recording id", null=True),
    Column("track_ms", LONG, "length of the track, ms", null=True),
)


def _table(
    name: str,
    comment: str,
    grain: Sequence[str],
    columns: Sequence[Column],
    reads: Sequence[Table] = (),
    volatile: Sequence[str] = (),
) -> Table:
    owner = {"raw": "ingestion", "core": "core data", "features": "recommendation", "charts": "charts"}
    layer = name.split(".")[0]
    names = tuple(table.name for table in reads)
    return Table(name, comment, tuple(grain), owner[layer], tuple(columns), names, frozenset(volatile))


RAW_PLAYS = _table(
    "raw.plays",
    "Plays as they were told, none left out but exact repeats of a play_id",
    ["listener_id", "play_id"],
    [
        Column("play_id", TEXT, "the teller's id, or the hash of what identifies the play"),
        _LISTENER,
        Column("source_track_id", TEXT, "the track as its source names it: source:id, or a track_id"),
        _STARTED,
        _RECEIVED,
        Column("source", TEXT, "who told it, see warehouse.sources"),
        Column("played_ms", LONG, "how long it was heard, ms", null=True),
        Column("track_ms", LONG, "length of the track, ms", null=True),
        Column("context", TEXT, "what it was played from: an album, a playlist, a shelf", null=True),
        Column("impression_id", TEXT, "the recommendation that led to it", null=True),
        Column("slot", INT, "its place in that recommendation, from 0", null=True),
        Column("ended_by", TEXT, "why it ended: skip, end, ...", null=True),
        Column("device", TEXT, "what it was played on", null=True),
        Column("country", TEXT, "ISO 3166-1 alpha-2", null=True),
        _IMPORT,
        _DAY,
    ],
    volatile=["received_ms", "import_id"],
)
RAW_TRACKS = _table(
    "raw.tracks",
    "Tracks as their sources name them; a later telling fills what an earlier one left open",
    ["source_track_id"],
    [Column("source_track_id", TEXT, "source:id"), *_NAMES, _IMPORT],
    volatile=["import_id"],
)
RAW_SIGNALS = _table(
    "raw.signals",
    "Opinions as they were told",
    ["listener_id", "signal_id"],
    [
        Column("signal_id", TEXT, "the caller's id, or a hash"),
        _LISTENER,
        Column("track_id", TEXT, "the track as the caller named it"),
        Column("kind", TEXT, "like, unlike, dislike, do_not_recommend, rate"),
        Column("rating", INT, "1 to 5, 0 takes it back; with kind rate", null=True),
        _RECEIVED,
        Column(DAY, DATE, "the UTC day of received_ms"),
    ],
)
RAW_IMPRESSIONS = _table(
    "raw.impressions",
    "What was shown to whom: one row a slot",
    ["impression_id", "slot"],
    [
        _IMPRESSION,
        _LISTENER,
        _SHELF,
        _SLOT,
        _TRACK,
        _BROUGHT_BY,
        _MODEL,
        _PROPENSITY,
        _EXPERIMENT,
        _ARM,
        _RECEIVED,
        Column(DAY, DATE, "the UTC day of received_ms"),
    ],
)
RAW_ERASURES = _table(
    "raw.erasures",
    "Plays, or whole listeners, to be forgotten",
    ["listener_id", "erasure_id"],
    [
        Column("erasure_id", TEXT, "the caller's id, or a hash"),
        _LISTENER,
        Column("play_id", TEXT, "the play taken back; null means all until received_ms", null=True),
        _RECEIVED,
    ],
)
RAW_QUARANTINE = _table(
    "raw.quarantine",
    "Rows that could not be read as plays, with the reason",
    ["import_id", "file", "line"],
    [
        Column("import_id", TEXT, "the import that met it"),
        Column("file", TEXT, "the file, or the member of an archive"),
        Column("line", LONG, "line or row number in it, from 1"),
        Column("reason", TEXT, "what was found and what was wanted"),
        Column("content", TEXT, "the row, its first 1,000 characters"),
        Column("listener_id", TEXT, "whose row it is, where that can be read", null=True),
        Column("received_ms", LONG, "when it was set aside, UTC ms; unknown where an older version did so", null=True),
    ],
    volatile=["import_id", "received_ms"],
)
RAW_DEADLETTERS = _table(
    "raw.deadletters",
    "What came on the event log and could not be read as an event of its topic, with the reason",
    ["topic", "partition", "log_offset", "position"],
    [
        Column("topic", TEXT, "the topic, with its version"),
        Column("partition", INT, "the partition of it"),
        Column("log_offset", LONG, "the record there that held it"),
        Column("position", INT, "its place in that record, from 0; -1 where the record is no array of events at all"),
        Column("listener_id", TEXT, "whom it is about, where it says so", null=True),
        Column("reason", TEXT, "what was found and what was wanted"),
        Column("content", TEXT, "its bytes in base64, the first 256 KiB"),
        Column("content_bytes", LONG, "how many bytes it had"),
        Column("received_ms", LONG, "when its record was appended, UTC ms"),
        Column("replayed_ms", LONG, "when it was read after all and appended again, UTC ms", null=True),
        Column(DAY, DATE, "the UTC day of received_ms"),
    ],
    volatile=["replayed_ms"],
)
CORE_TRACKS = _table(
    "core.tracks",
    "Each source's track and the one track_id it stands for: by ISRC, else MBID, else folded names, else source:id",
    ["source_track_id"],
    [Column("source_track_id", TEXT, "source:id"), _TRACK],
    reads=[RAW_TRACKS],
)
CORE_CATALOG = _table(
    "core.catalog",
    "What is known of each track_id, told by its best source",
    ["track_id"],
    [_TRACK, *_NAMES],
    reads=[RAW_TRACKS, CORE_TRACKS],
)
CORE_PLAYS = _table(
    "core.plays",
    "Plays, each once, by track_id; `counts` says whether it counts as a play",
    ["listener_id", "play_id"],
    [
        Column("play_id", TEXT, "as in raw.plays"),
        _LISTENER,
        _TRACK,
        _STARTED,
        Column("ended_ms", LONG, "started_ms plus played_ms; started_ms where the length is unknown, UTC ms"),
        Column("played_ms", LONG, "how long it was heard, ms", null=True),
        Column("source", TEXT, "who told it: the most precise of its tellers"),
        Column("counts", FLAG, "half a minute, or half of a short track"),
        Column("skipped", FLAG, "ended by a skip before it counted"),
        Column("country", TEXT, "ISO 3166-1 alpha-2", null=True),
        Column("impression_id", TEXT, "the recommendation that led to it", null=True),
        _DAY,
    ],
    reads=[RAW_PLAYS, RAW_ERASURES, CORE_TRACKS],
)
CORE_SESSIONS = _table(
    "core.sessions",
    "Counted plays in their sessions; a session is its listener and the start of its first play",
    ["listener_id", "play_id"],
    [
        _LISTENER,
        Column("session_started_ms", LONG, "start of the session's first play, UTC ms"),
        Column("play_id", TEXT, "as in core.plays"),
        _TRACK,
        _STARTED,
        Column("ended_ms", LONG, "as in core.plays, UTC ms"),
        _DAY,
    ],
    reads=[CORE_PLAYS],
)
FEATURES_TASTE = _table(
    "features.taste",
    "Integer counts a listener, track and event day: decay is applied when they are read",
    ["listener_id", "track_id", "day"],
    [
        _LISTENER,
        _TRACK,
        Column("plays", INT, "counted plays"),
        Column("skips", INT, "plays skipped before they counted"),
        Column("last_play_id", TEXT, "the latest counted play of the day, which a reason cites", null=True),
        Column("last_started_ms", LONG, "when that play began, UTC ms", null=True),
        _DAY,
    ],
    reads=[CORE_PLAYS],
)
FEATURES_OUTCOMES = _table(
    "features.outcomes",
    "What became of each slot of an answer: played, skipped, begun, ignored, or open while it may still be played",
    ["impression_id", "slot"],
    [
        _IMPRESSION,
        _SLOT,
        _LISTENER,
        Column("track_id", TEXT, "the one id of the track shown, as it was when the day was made, see core.tracks"),
        _SHELF,
        _BROUGHT_BY,
        _MODEL,
        _PROPENSITY,
        _EXPERIMENT,
        _ARM,
        Column("shown_ms", LONG, "when it was shown, UTC ms"),
        Column("outcome", TEXT, "played, skipped, begun, ignored, open: see warehouse.rules.outcomes"),
        Column("play_id", TEXT, "the play that says so: the strongest, of equal ones the first", null=True),
        Column("played_ms", LONG, "how long that play was heard, ms", null=True),
        Column(DAY, DATE, "the UTC day of shown_ms"),
    ],
    reads=[RAW_IMPRESSIONS, RAW_PLAYS, RAW_ERASURES, CORE_TRACKS, CORE_PLAYS],
)
FEATURES_TRANSITIONS = _table(
    "features.transitions",
    "How often one track followed another within a session",
    ["from_track_id", "to_track_id", "day"],
    [
        Column("from_track_id", TEXT, "the track before"),
        Column("to_track_id", TEXT, "the track after"),
        Column("times", INT, "how often"),
        Column(DAY, DATE, "the UTC day of the later play"),
    ],
    reads=[CORE_SESSIONS],
)
CHARTS_DAILY = _table(
    "charts.daily",
    "The hundred most played tracks of a day, everywhere and by country",
    ["day", "country", "rank"],
    [
        Column("country", TEXT, "ISO 3166-1 alpha-2, or `all`"),
        Column("rank", INT, "from 1; ties by listeners, then track_id"),
        _TRACK,
        Column("plays", LONG, "counted plays"),
        Column("listeners", LONG, "listeners with a counted play"),
        _DAY,
    ],
    reads=[CORE_PLAYS],
)
FEATURES_MATRIX = _table(
    "features.matrix",
    "How much each listener is into each track as of a day: counted plays by decayed weight",
    ["listener_id", "track_id"],
    [
        _LISTENER,
        _TRACK,
        Column("weight", LONG, "sum of plays times decay weight, fixed point (decay.UNIT is one play of today)"),
        Column("plays", LONG, "counted plays"),
        Column("last_started_ms", LONG, "start of the latest counted play, UTC ms"),
    ],
    reads=[FEATURES_TASTE],
)

TABLES = {
    table.name: table
    for table in (
        RAW_PLAYS,
        RAW_TRACKS,
        RAW_SIGNALS,
        RAW_IMPRESSIONS,
        RAW_ERASURES,
        RAW_QUARANTINE,
        RAW_DEADLETTERS,
        CORE_TRACKS,
        CORE_CATALOG,
        CORE_PLAYS,
        CORE_SESSIONS,
        FEATURES_TASTE,
        FEATURES_OUTCOMES,
        FEATURES_TRANSITIONS,
        CHARTS_DAILY,
        FEATURES_MATRIX,
    )
}
