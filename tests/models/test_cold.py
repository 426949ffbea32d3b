"""Artists that nobody has played: what is hidden, who is asked, and what is ranked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.base import Interactions
from models.content import ContentConfig, fit_content
from models.evaluation.cold import TaggedArtists, cold_artists
from models.evaluation.datasets import Dataset, DataWrong
from models.evaluation.run import Contestant, evaluate
from models.popularity import fit_popularity
from tests.models.hetrec import ARTISTS, LISTENERS, hetrec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hetrec(tmp_path_factory.mktemp("hetrec"))


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    return cold_artists(folder)


def test_every_artist_is_hidden_once_and_every_listener_asked_once(data: Dataset) -> None:
    parts = [*data.folds, data.validation]
    hidden = np.concatenate([split.candidates for split in parts if split.candidates is not None])
    assert sorted(hidden.tolist()) == list(range(ARTISTS))
    assert sum(len(split.cases) for split in parts) <= LISTENERS


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
    assert found.of("content").means()["recall@2"].mean >= found.of("popularity").means()["recall@2"].mean


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
