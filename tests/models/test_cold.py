"""Artists that nobody has played: what is hidden, who is asked, and what is ranked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from models.base import Interactions
from models.content import ContentConfig, fit_content
from models.evaluation.cold import TaggedArtists, cold_artists
from models.evaluation.datasets import Dataset, DataWrong
from models.evaluation.run import Contestant, evaluate
from models.popularity import fit_popularity

LISTENERS, ARTISTS = 40, 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Listeners and artists of two kinds; each listener plays ten of theirs, and tags half of them by kind."""
    folder = tmp_path_factory.mktemp("hetrec")
    random = np.random.default_rng(3)
    pairs = [
        (one, 100 + 2 * int(half) + one % 2)
        for one in range(LISTENERS)
        for half in random.permutation(ARTISTS // 2)[:10]
    ]
    tagged = [(one, artist) for one, artist in pairs if random.random() < 0.5]
    _write(folder / "user_artists.dat", "userID\tartistID\tweight", [(*pair, 7) for pair in pairs])
    rows = [(one, artist, 5 + artist % 2, 1, 4, 2009) for one, artist in tagged]
    own = [(one, artist, 1000 + one, 1, 4, 2009) for one, artist in tagged]  # a tag of one's own
    _write(folder / "user_taggedartists.dat", "userID\tartistID\ttagID\tday\tmonth\tyear", rows + own)
    _write(
        folder / "artists.dat",
        "id\tname\turl\tpictureURL",
        [(100 + at, f"Artist {at}", "", "") for at in range(ARTISTS)],
    )
    tags = [(5, "even"), (6, "odd"), *((1000 + one, f"mine {one}") for one in range(LISTENERS))]
    _write(folder / "tags.dat", "tagID\ttagValue", tags)
    return folder


def _write(path: Path, heading: str, rows: Sequence[tuple[object, ...]]) -> None:
    path.write_text("\n".join([heading, *("\t".join(map(str, row)) for row in rows)]) + "\n", encoding="latin-1")


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    return cold_artists(folder)


def test_every_artist_is_hidden_once_and_every_listener_asked_once(data: Dataset) -> None:
    hidden = np.concatenate([split.candidates for split in data.folds if split.candidates is not None])
    assert sorted(hidden.tolist()) == list(range(ARTISTS))
    assert sum(len(split.cases) for split in data.folds) <= LISTENERS


def test_nothing_of_hidden_artists_trains_and_they_alone_are_relevant(data: Dataset) -> None:
    for split in [*data.folds, data.validation]:
        assert split.candidates is not None
        assert not split.train.weights.toarray()[:, split.candidates].any()
        assert not split.train.popularity[split.candidates].any()
        assert np.isin(split.cases.relevant, split.candidates).all()


def test_validation_ranks_no_artist_of_the_first_fold_nor_learns_of_its_plays(data: Dataset) -> None:
    tested = data.folds[0].candidates
    assert tested is not None
    assert data.validation.candidates is not None
    assert not set(tested) & set(data.validation.candidates)
    assert not data.validation.train.weights.toarray()[:, tested].any()


def test_who_is_asked_tells_no_tag_and_a_tag_of_ones_own_counts_for_nobody(folder: Path) -> None:
    artists = TaggedArtists.read(folder)
    everybody, none = artists.tag_counts(), artists.tag_counts(np.arange(LISTENERS))
    assert none.nnz == 0
    named = {artists.tags[tag] for tag in np.unique(everybody.indices)}
    assert named == {"even", "odd"}
    assert artists.tag_counts(np.arange(10)).sum() < everybody.sum()


def test_only_hidden_artists_are_recommended_and_tags_find_those_of_ones_kind(data: Dataset) -> None:
    split = data.folds[0]
    tags = Interactions(
        split.train.weights, split.train.transitions, split.train.popularity, None, split.train.attributes
    )
    contestants = [
        Contestant(fit_popularity(split.train), fresh=True, uses="chance"),
        Contestant(fit_content(tags, ContentConfig(others=0.0)), fresh=True, uses="tags"),
    ]
    found = evaluate(contestants, split, k=2)
    assert split.candidates is not None
    for outcome in found.outcomes:
        shown = outcome.lists[outcome.lists >= 0]
        assert np.isin(shown, split.candidates).all()
    assert found.of("content").mean("recall@2").mean >= found.of("popularity").mean("recall@2").mean


def test_positions_are_in_no_order_of_the_ids(folder: Path) -> None:
    names = TaggedArtists.read(folder).names
    assert sorted(names) == sorted(f"Artist {at}" for at in range(ARTISTS))
    assert list(names) != [f"Artist {at}" for at in range(ARTISTS)]


def test_tags_that_are_not_utf_8_are_read_as_latin_1(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(
            path.read_bytes().replace(b"\teven", b"\tcaf\xe9").replace(b"\todd", "\tñu".encode())
        )
    assert {"café", "ñu"} <= set(TaggedArtists.read(tmp_path).tags)


@pytest.mark.parametrize("name", ["user_artists.dat", "user_taggedartists.dat", "artists.dat", "tags.dat"])
def test_damaged_files_are_told(folder: Path, tmp_path: Path, name: str) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_text("id\tvalue\nno number\tx\n")
    with pytest.raises(DataWrong, match="wanted the files of HetRec"):
        cold_artists(tmp_path)
