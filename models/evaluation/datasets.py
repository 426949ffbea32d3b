"""Published benchmarks as splits: recognised by their files, divided as the papers that report on them divide them.

Each has one protocol, the metric that it is compared by, and a validation split of its training side, so that nothing
is tuned on the test (of whose lists one figure, popularity's, decides how Gowalla's validation is drawn). Formats:
LightGCN's lists (He et al. 2020), S3-Rec's sequences (Zhou et al. 2020), the prefixes and labels of session-based
recommendation, HetRec 2011's Last.fm (Cantador et al. 2011), 30Music (Turrin et al. 2015).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, pairwise
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array, csr_array

from models.base import Floats, Interactions, Positions, Recent, Sequences, Taste, TrackPosition
from models.evaluation.splits import Cases, Split, SplitImpossible, first_heard, followed

VALIDATION_SEED = 17
FOLDS = 5
HELD_SHARE = 0.2
POPULAR_HELD = 0.19  # the power of popularity by which Gowalla's validation items are drawn


class DataWrong(Exception):
    """The files are not a data set that is known, or are damaged; says what was found and what was wanted."""


@dataclass(frozen=True)
class Dataset:
    """`folds` are what is reported, `validate` makes the split that settings are chosen on: of the first fold's train.

    Every list is `k` long; `metric` is the one that settings are chosen by, `metrics` those that papers report.
    """

    name: str
    protocol: str
    k: int
    metric: str
    metrics: tuple[str, ...]
    folds: Sequence[Split]
    validate: Callable[[], Split]

    @cached_property
    def validation(self) -> Split:
        """Made at its first use."""
        return self.validate()


def open_dataset(path: Path) -> Dataset:
    """The data set in that folder. Raises `DataWrong`, and `SplitImpossible` where one side of it is empty."""
    for marker, opened in _KNOWN.items():
        if (path / marker).is_file():
            try:
                return opened(path)
            except FileNotFoundError as error:
                lacks = Path(str(error.filename)).name
                raise DataWrong(f"reading {path}: found {marker} without {lacks}; wanted both") from error
            except (ValueError, OverflowError, OSError, EOFError, IndexError) as error:
                raise DataWrong(f"reading {path / marker}: {error}") from error
    found = ", ".join(sorted(one.name for one in path.iterdir())[:8]) if path.is_dir() else "no folder"
    raise DataWrong(f"reading {path}: found {found or 'an empty folder'}; wanted {wanted_folder()}")


def wanted_folder() -> str:
    """What a data set's folder is known by, in words."""
    return f"a folder with {', '.join(_KNOWN)}"


# ---- gowalla: a list of items a user, a part of it held out


def gowalla(path: Path) -> Dataset:
    """The split of LightGCN (train.txt, test.txt): rank all items that a user's training list lacks.

    Positions are the order of the ids that are there: one huge id makes no huge catalog.
    """
    train, test = (_lists(path / name) for name in ("train.txt", "test.txt"))
    labels = np.unique(np.fromiter(chain(*train.values(), *test.values()), np.int64))
    if len(labels) and labels[0] < 0:
        raise ValueError(f"found item {labels[0]}; wanted 0 or more")
    items, users = len(labels), sorted(train.keys() | test.keys())
    known = [np.searchsorted(labels, train.get(user, [])) for user in users]
    held = [np.searchsorted(labels, sorted(set(test.get(user, [])))) for user in users]
    return Dataset(
        "gowalla",
        "the given split; every item that is not in the user's training list is ranked",
        20,
        "ndcg@20",
        ("recall@20", "ndcg@20"),
        (lists_split("gowalla", "train.txt trains, test.txt tests", known, held, items),),
        lambda: lists_split("gowalla", "a fifth of each training list is held out", *_thinned(known, items), items),
    )


def lists_split(name: str, boundary: str, known: list[Positions], held: list[Positions], items: int) -> Split:
    """Each user with something held out is asked for it, knowing their training items, each of weight 1."""
    asked = [user for user, wanted in enumerate(held) if len(wanted) and len(known[user])]
    if not asked:
        raise SplitImpossible(f"{name}, {boundary}: nobody has an item on both sides; wanted one user at least")
    tastes = tuple(Taste(known[user], np.ones(len(known[user]))) for user in asked)
    sizes = [len(held[user]) for user in asked]
    cases = Cases(
        np.arange(len(asked)),
        np.concatenate([[0], np.cumsum(sizes)]),
        np.concatenate([held[user] for user in asked]),
        tastes,
        tastes,
    )
    activity = np.array([len(known[user]) for user in asked], np.int64)
    return Split(name, boundary, items, interactions_of(known, items), cases, activity, new_only=True)


def interactions_of(known: Sequence[Positions], items: int, weights: Sequence[Floats] | None = None) -> Interactions:
    """Of unordered lists, each item of weight 1 where no weights are told."""
    columns = np.concatenate(known) if known else np.empty(0, np.int64)
    rows = np.repeat(np.arange(len(known)), [len(one) for one in known])
    values = np.ones(len(columns)) if weights is None else np.concatenate(weights)
    table = csr_array(coo_array((values.astype(np.float32), (rows, columns)), shape=(len(known), items)))
    return Interactions(table, _nothing(items), np.bincount(columns, values, items).astype(np.float64))


def _nothing(items: int) -> csr_array:
    return csr_array(coo_array((items, items), dtype=np.float32))


def _thinned(known: list[Positions], items: int) -> tuple[list[Positions], list[Positions]]:
    """A fifth of each list held out, as much as the given split did, and one item at least where there are three.

    The given split is not a random one: the most popular items recall .0416 of its test lists, as measured on them, and
    .027 of a random fifth of the training lists. Settings that suit a random fifth do not suit the test, so items are
    drawn with chances proportional to a power of their popularity that leads to .0416 here too.
    """
    random = np.random.default_rng(VALIDATION_SEED)
    popularity = np.bincount(np.concatenate(known), minlength=items)
    kept, held = [], []
    for one in known:
        count = max(round(HELD_SHARE * len(one)), 1) if len(one) > 2 else 0
        keys = POPULAR_HELD * np.log(popularity[one]) + random.gumbel(size=len(one))  # the highest keys are such a draw
        order = np.argsort(-keys)
        kept.append(np.sort(one[order[count:]]))
        held.append(np.sort(one[order[:count]]))
    return kept, held


# ---- lastfm-s3rec: one sequence a user, the last item held out


def s3rec(path: Path) -> Dataset:
    """Leave the last item out and rank all others; the one before it is for validation (Kang and McAuley 2018)."""
    sequences = [np.array(row[1:], np.int64) for row in _integers(path / "LastFM.txt")]
    if any(len(sequence) < 3 for sequence in sequences):
        raise ValueError("a line with fewer than three items; wanted one for training, validation and test each")
    items, whole = np.unique(np.concatenate([np.empty(0, np.int64), *sequences]), return_inverse=True)
    bounds = np.concatenate([[0], np.cumsum([len(sequence) for sequence in sequences])])
    played = [whole[start:stop] for start, stop in pairwise(bounds)]
    return Dataset(
        "lastfm-s3rec",
        "the last item of each sequence is held out; every item that is not in the rest is ranked",
        10,
        "ndcg@10",
        ("hit@10", "ndcg@10", "mrr@10"),
        (_next_item("the last item of each sequence tests", played, len(items)),),
        lambda: _next_item("the last item but one of each sequence tests", [one[:-1] for one in played], len(items)),
    )


def _next_item(boundary: str, sequences: list[Positions], items: int) -> Split:
    if not sequences:
        raise SplitImpossible(f"{boundary}: found no sequence; wanted one at least")
    known = [sequence[:-1] for sequence in sequences]
    tastes = tuple(_ordered_taste(tracks, len(tracks)) for tracks in known)
    labels = np.array([sequence[-1] for sequence in sequences], np.int64)
    cases = Cases(np.arange(len(known)), np.arange(len(known) + 1), labels, tastes, tastes)
    activity = np.array([len(tracks) for tracks in known], np.int64)
    return Split("leave-last-out", boundary, items, in_order(known, items), cases, activity, new_only=True)


def in_order(sequences: Sequence[Positions], items: int) -> Interactions:
    """Of sequences, each of which is a row and one session."""
    lengths = np.array([len(one) for one in sequences], np.int64)
    tracks = np.concatenate(sequences) if len(sequences) else np.empty(0, np.int64)
    rows = np.repeat(np.arange(len(sequences)), lengths)
    ones = np.ones(len(tracks), np.float32)
    weights = csr_array(coo_array((ones, (rows, tracks)), shape=(len(sequences), items)))
    ordered = Sequences(np.concatenate([[0], np.cumsum(lengths)]), tracks, rows, np.arange(len(tracks), dtype=float))
    popularity = np.bincount(tracks, minlength=items).astype(np.float64)
    return Interactions(weights, followed(tracks, rows, items), popularity, ordered)


def _ordered_taste(played: Positions, session: int) -> Taste:
    """The taste of these plays, oldest first, in order of first hearing."""
    current = TrackPosition(int(played[-1])) if len(played) else None
    return Taste(*first_heard(played), current, Recent.in_order(played, session))


# ---- nowplaying: sessions without listeners, each prefix asks for what follows


def nowplaying(path: Path) -> Dataset:
    """#nowplaying sessions (Zangerle et al. 2014), split by time: train_sessions and test_prefix_label."""
    sessions = [np.array(row, np.int64) for row in _integers(path / "train_sessions.txt.gz")]
    pairs = _prefixes(path / "test_prefix_label.txt.gz")
    labels = np.unique(np.concatenate([np.empty(0, np.int64), *sessions]))
    coded = _recoded(sessions, labels)
    held = max(len(coded) // 20, 1)
    return Dataset(
        "nowplaying",
        "each prefix of each test session asks for the next track; all tracks of the training data are ranked",
        20,
        "mrr@20",
        ("hit@20", "mrr@20"),
        (_prefix_split("train_sessions trains, test_prefix_label tests", coded, pairs, labels),),
        lambda: _validation_sessions(sessions[:-held], sessions[-held:]),
    )


def _validation_sessions(train: list[Positions], held: list[Positions]) -> Split:
    labels = np.unique(np.concatenate([np.empty(0, np.int64), *train]))
    pairs = [(one[:end], int(one[end])) for one in held for end in range(1, len(one))]
    return _prefix_split("the last twentieth of the training sessions tests", _recoded(train, labels), pairs, labels)


def _prefix_split(
    boundary: str, train: list[Positions], pairs: Sequence[tuple[Positions, int]], labels: Positions
) -> Split:
    if not train or not pairs:
        raise SplitImpossible(f"{boundary}: found {len(train)} sessions and {len(pairs)} prefixes; wanted some of each")
    known = len(labels)
    tastes = []
    for prefix, _ in pairs:
        places = np.searchsorted(labels, prefix)
        there = labels[np.minimum(places, known - 1)] == prefix
        tastes.append(_ordered_taste(places[there], int(there.sum())))
    wanted = np.array([label for _, label in pairs], np.int64)
    place = np.minimum(np.searchsorted(labels, wanted), known - 1)
    relevant = np.where(labels[place] == wanted, place, known)  # whatever nobody could know counts as one track
    cases = Cases(np.arange(len(pairs)), np.arange(len(pairs) + 1), relevant, tuple(tastes), tuple(tastes))
    activity = np.array([len(prefix) for prefix, _ in pairs], np.int64)
    return Split("next-of-prefix", boundary, known, in_order(train, known), cases, activity)


def _recoded(sessions: list[Positions], labels: Positions) -> list[Positions]:
    return [np.searchsorted(labels, session) for session in sessions]


def _prefixes(path: Path) -> list[tuple[Positions, int]]:
    found = []
    for number, line in enumerate(_lines(path), 1):
        prefix, _, label = line.partition("\t")
        if not label or not prefix:
            raise ValueError(f"line {number} of {path.name}: found {line[:60]!r}, wanted items, a tab and an item")
        found.append((np.array(prefix.split(), np.int64), int(label)))
    return found


# ---- hetrec-lastfm: play counts of artists, listeners held out


def hetrec(path: Path) -> Dataset:
    """Five folds over listeners: the held ones tell four fifths of their artists, and are asked for the rest.

    A weight is log2(1 + plays): one count is 352,698.
    """
    rows = list(_integers(path / "user_artists.dat", headings=1))
    if not rows or any(len(row) != 3 or min(row) < 0 for row in rows):
        odd = next((row for row in rows if len(row) != 3 or min(row) < 0), "no row")
        raise ValueError(f"found {odd}; wanted userID, artistID and weight, none negative")
    table = np.array(rows, np.int64)
    artists, columns = np.unique(table[:, 1], return_inverse=True)
    _, listeners = np.unique(table[:, 0], return_inverse=True)
    values = np.log2(1.0 + table[:, 2])
    counts = csr_array(coo_array((values, (listeners, columns)), shape=(listeners.max() + 1, len(artists))))
    parts = np.array_split(np.random.default_rng(VALIDATION_SEED).permutation(counts.shape[0]), FOLDS)
    everyone = np.arange(counts.shape[0])
    first = np.setdiff1d(everyone, parts[0])
    inner = np.array_split(np.random.default_rng(VALIDATION_SEED + 1).permutation(first), FOLDS)[0]
    return Dataset(
        "hetrec-lastfm",
        "five folds over listeners; held ones tell four fifths of their artists, all others are ranked",
        100,
        "ndcg@100",
        ("recall@100", "ndcg@100"),
        tuple(_fold_in(counts, np.setdiff1d(everyone, part), part, f"fold {at}") for at, part in enumerate(parts, 1)),
        lambda: _fold_in(counts, np.setdiff1d(first, inner), inner, "a fifth of the first fold's listeners"),
    )


def _fold_in(counts: csr_array, train: Positions, test: Positions, boundary: str) -> Split:
    random = np.random.default_rng(VALIDATION_SEED)
    tastes, held = [], []
    for row in np.sort(test):
        items = counts.indices[counts.indptr[row] : counts.indptr[row + 1]].astype(np.int64)
        values = counts.data[counts.indptr[row] : counts.indptr[row + 1]].astype(np.float64)
        out = np.zeros(len(items), bool)
        out[random.permutation(len(items))[: round(HELD_SHARE * len(items))]] = True
        if out.any():
            tastes.append(Taste(items[~out], values[~out]))
            held.append(np.sort(items[out]))
    if not held:
        raise SplitImpossible(f"{boundary}: nobody has an artist to hold out; wanted three of one listener at least")
    starts = np.concatenate([[0], np.cumsum([len(one) for one in held])])
    cases = Cases(np.arange(len(held)), starts, np.concatenate(held), tuple(tastes), tuple(tastes))
    kept = csr_array(counts[np.sort(train)]).astype(np.float32)
    popularity = np.asarray(kept.sum(axis=0), np.float64)
    activity = np.array([len(one.tracks) for one in tastes], np.int64)
    interactions = Interactions(kept, _nothing(counts.shape[1]), popularity)
    return Split("fold-in", boundary, counts.shape[1], interactions, cases, activity, new_only=True)


# ---- reading


def _lists(path: Path) -> dict[int, list[int]]:
    return {row[0]: row[1:] for row in _integers(path)}


def _integers(path: Path, headings: int = 0) -> Iterable[list[int]]:
    for number, line in islice(enumerate(_lines(path), 1), headings, None):
        try:
            row = [int(word) for word in line.split()]
        except ValueError:
            raise ValueError(f"line {number} of {path.name}: found {line[:60]!r}, wanted whole numbers") from None
        if row:
            yield row


def _lines(path: Path) -> Iterable[str]:
    with gzip.open(path, "rt", encoding="ascii") if path.suffix == ".gz" else path.open(encoding="ascii") as stream:
        yield from stream


_KNOWN: dict[str, Callable[[Path], Dataset]] = {
    "train.txt": gowalla,
    "LastFM.txt": s3rec,
    "train_sessions.txt.gz": nowplaying,
    "user_artists.dat": hetrec,
}
