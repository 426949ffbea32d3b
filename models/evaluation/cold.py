"""Artists that nobody has played: a tenth of them hidden from training at a time, and ranked among each other.

The data are HetRec 2011's Last.fm (Cantador et al. 2011). Who is asked tells nothing of the hidden artists, neither by
a play nor by a tag: a fold asks a tenth of the listeners, and its tags are those of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from scipy.sparse import coo_array, csr_array

from models.base import Interactions, Positions, Taste
from models.evaluation.datasets import Dataset, DataWrong
from models.evaluation.splits import Cases, Split, SplitImpossible
from models.history import weights_of
from models.names import name_pieces

FOLDS = 10
VALIDATED = 1  # the part that settings are chosen on: it tests nothing
SEED = 17
FEWEST_TAGGERS = 3  # a tag that fewer people use says more of them than of the artist


@dataclass(frozen=True)
class TaggedArtists:
    """Artists by position in an order drawn by a seed, since the order of their ids tells how popular they are.

    `plays` [listeners, artists] are log2(1 + count). `taggings` [taggings, 3] are listener, artist and tag, each once.
    `names` [artists] are empty where none is told, `tags` are by position.
    """

    plays: csr_array
    taggings: Positions
    names: tuple[str, ...]
    tags: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """A folder of user_artists.dat, user_taggedartists.dat, artists.dat and tags.dat. Raises `DataWrong`."""
        try:
            return cls._read(path)
        except (OSError, ValueError) as error:
            raise DataWrong(f"reading {path}: {error}; wanted the files of HetRec 2011's Last.fm") from error

    @classmethod
    def _read(cls, path: Path) -> Self:
        played = _numbers(path / "user_artists.dat", 3)
        tagged = _numbers(path / "user_taggedartists.dat", 6)[:, :3]
        ids = np.random.default_rng(SEED).permutation(np.unique(played[:, 1]))
        listeners, rows = np.unique(played[:, 0], return_inverse=True)
        values = np.log2(1.0 + played[:, 2])
        shape = (len(listeners), len(ids))
        plays = csr_array(coo_array((values, (rows, _places(played[:, 1], ids))), shape=shape))
        names, tags = _told(path / "artists.dat"), _told(path / "tags.dat")
        used = np.array(sorted(tags), np.int64)
        places = [_places(column, order) for column, order in zip(tagged.T, (listeners, ids, used), strict=True)]
        known = np.stack(places, axis=1)
        taggings = np.unique(known[(known >= 0).all(axis=1)], axis=0)
        return cls(
            plays, taggings, tuple(names.get(int(one), "") for one in ids), tuple(tags[int(one)] for one in used)
        )

    def tag_counts(self, unheard: Positions | None = None) -> csr_array:
        """How many listeners, but those, gave each artist each tag [artists, tags]; rare tags are left out."""
        told = self.taggings if unheard is None else self.taggings[~np.isin(self.taggings[:, 0], unheard)]
        users = np.unique(told[:, 0] * len(self.tags) + told[:, 2]) % len(self.tags)
        common = np.bincount(users, minlength=len(self.tags)) >= FEWEST_TAGGERS
        kept = told[common[told[:, 2]]]
        ones = np.ones(len(kept), np.float32)
        return csr_array(coo_array((ones, (kept[:, 1], kept[:, 2])), shape=(self.plays.shape[1], len(self.tags))))


def cold_artists(path: Path) -> Dataset:
    """Ten parts, each with a tenth of the artists hidden and a tenth of the listeners asked: one validates, nine test.

    Raises `DataWrong`, and `SplitImpossible` where a fold has nobody to ask.
    """
    data = TaggedArtists.read(path)
    listeners, artists = data.plays.shape
    random = np.random.default_rng(SEED)
    hidden, asked = (np.array_split(random.permutation(size), FOLDS) for size in (artists, listeners))
    pieces = name_pieces(data.names)
    return Dataset(
        "hetrec-cold",
        "a tenth of the artists is hidden at a time; a tenth of the listeners is asked to rank them, by others' tags",
        100,
        "ndcg@100",
        ("recall@100", "ndcg@100"),
        tuple(
            _hidden(data, pieces, np.sort(hidden[at]), np.sort(asked[at]), np.empty(0, np.int64), f"fold {at + 1}")
            for at in range(FOLDS)
            if at != VALIDATED
        ),
        lambda: _hidden(
            data,
            pieces,
            np.sort(hidden[VALIDATED]),
            np.sort(asked[VALIDATED]),
            hidden[0],
            "the second tenth, without the first",
        ),
    )


def _hidden(
    data: TaggedArtists, pieces: csr_array, cold: Positions, asked: Positions, never: Positions, boundary: str
) -> Split:
    """The split that hides `cold` and asks `asked`; artists of `never` are in neither side."""
    artists = data.plays.shape[1]
    warm = np.ones(artists, bool)
    warm[cold] = warm[never] = False
    train = data.plays.astype(np.float32)
    train.data *= warm[train.indices]
    train.eliminate_zeros()
    tastes, relevant, activity = [], [], []
    for row in asked:
        held = np.intersect1d(weights_of(data.plays, row)[0], cold)
        tracks, weights = weights_of(train, row)
        if len(held) and len(tracks):
            tastes.append(Taste(tracks, weights))
            relevant.append(held)
            activity.append(len(tracks))
    if not tastes:
        raise SplitImpossible(
            f"cold artists, {boundary}: nobody who is asked has played one; wanted one listener at least"
        )
    starts = np.concatenate([[0], np.cumsum([len(one) for one in relevant])])
    cases = Cases(np.arange(len(tastes)), starts, np.concatenate(relevant), tuple(tastes), tuple(tastes))
    attributes = (data.tag_counts(asked), pieces)
    popularity = np.asarray(train.sum(axis=0), np.float64)
    interactions = Interactions(train, _no_order(artists), popularity, attributes=attributes)
    return Split(
        "cold-artists", boundary, artists, interactions, cases, np.array(activity), new_only=True, candidates=cold
    )


def _no_order(artists: int) -> csr_array:
    return csr_array(coo_array((artists, artists), dtype=np.float32))


def _numbers(path: Path, columns: int) -> Positions:
    table = np.loadtxt(path, dtype=np.int64, skiprows=1, ndmin=2)
    if table.shape[1] != columns or not len(table) or (table < 0).any():
        raise ValueError(f"{path.name} has {table.shape[0]} rows of {table.shape[1]}; wanted {columns}, none negative")
    return table


def _told(path: Path) -> dict[int, str]:
    """What each id is called: the second column, UTF-8 where it is that, else Latin-1."""
    told = {}
    for line in path.read_bytes().splitlines()[1:]:
        number, _, rest = line.partition(b"\t")
        told[int(number)] = _decoded(rest.partition(b"\t")[0])
    return told


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _places(labels: Positions, among: Positions) -> Positions:
    """The place of each label in `among`, in whatever order that is; -1 where it is not there."""
    order = np.argsort(among, kind="stable")
    place = np.minimum(np.searchsorted(among[order], labels), len(among) - 1)
    return np.where(among[order[place]] == labels, order[place], -1).astype(np.int64)
