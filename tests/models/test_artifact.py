"""The artifact is whole or refused, equal from equal data, and publishing it moves one pointer."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from models.als import AlsConfig
from models.als_training import fit_als
from models.artifact import Artifact, ArtifactBroken, artifact_sha256, load, write
from models.base import Catalog, ModelBroken, TrackId
from models.popularity import fit_popularity
from models.registry import NoSuchVersion, Registry
from models.repeat import Repeat
from models.transitions import fit_transitions
from tests.models.contract import TRACKS, checkerboard, taste_of


def artifact(day: int = 1, alpha: float = 5.0, tracks: int = TRACKS) -> Artifact:
    interactions = checkerboard()
    return Artifact(
        as_of=date(2014, 12, day),
        split_day=date(2014, 11, 20),
        catalog=Catalog(tuple(TrackId(f"track:{place}") for place in range(tracks))),
        als=fit_als(interactions, AlsConfig(2, 0.1, alpha, 3)),
        popularity=fit_popularity(interactions),
        repeat=Repeat(TRACKS),
        transitions=fit_transitions(interactions),
        counts={"plays": 120},
        metrics={"als": {"ndcg@20": 0.5}},
    )


def test_equal_data_and_seed_give_an_equal_artifact_to_the_last_bit(tmp_path: Path) -> None:
    assert write(tmp_path / "one", artifact()) == write(tmp_path / "two", artifact())


def test_another_config_gives_another_sha(tmp_path: Path) -> None:
    assert write(tmp_path / "one", artifact()) != write(tmp_path / "two", artifact(alpha=6.0))


def test_what_is_written_is_what_is_loaded(tmp_path: Path) -> None:
    written = artifact()
    write(tmp_path, written)
    loaded = load(tmp_path)
    assert (loaded.as_of, loaded.split_day, loaded.catalog) == (written.as_of, written.split_day, written.catalog)
    assert (loaded.counts, loaded.metrics) == (written.counts, written.metrics)
    taste = taste_of(3, checkerboard())
    for name, model in written.models.items():
        assert loaded.models[name].recommend(taste, 5).scores.tolist() == model.recommend(taste, 5).scores.tolist()


@pytest.mark.parametrize("name", ["tracks.arrow", "als/arrays.npz", "repeat/config.json", "transitions/arrays.npz"])
def test_a_changed_byte_is_refused_with_the_file_that_has_it(name: str, tmp_path: Path) -> None:
    write(tmp_path, artifact())
    content = bytearray((tmp_path / name).read_bytes())
    content[-3] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactBroken, match=name):
        load(tmp_path)


def test_a_missing_and_an_unknown_file_are_refused(tmp_path: Path) -> None:
    write(tmp_path, artifact())
    (tmp_path / "als" / "more.npz").touch()
    (tmp_path / "tracks.arrow").unlink()
    with pytest.raises(ArtifactBroken, match=r"als/more.npz, tracks.arrow"):
        load(tmp_path)


def test_a_catalog_of_another_size_is_refused(tmp_path: Path) -> None:
    write(tmp_path, artifact(tracks=TRACKS - 1))
    with pytest.raises(ArtifactBroken, match=f"wanted {TRACKS - 1} tracks"):
        load(tmp_path)


def test_values_that_are_no_numbers_are_refused_though_their_hash_is_right(tmp_path: Path) -> None:
    broken = artifact()
    broken.popularity.shares[2] = np.nan
    write(tmp_path, broken)
    with pytest.raises(ArtifactBroken, match="wanted numbers"):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": 99, "files": {}}'])
def test_another_format_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "artifact.json").write_bytes(content)
    with pytest.raises(ArtifactBroken, match="wanted"):
        load(tmp_path)


def test_nothing_is_published_before_the_first(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    assert (registry.published(), registry.versions()) == (None, ())
    with pytest.raises(NoSuchVersion, match="nothing is published"):
        registry.load()
    with pytest.raises(NoSuchVersion):
        registry.rollback()


def test_a_version_is_named_by_its_day_and_its_sha(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    version = registry.publish(artifact())
    assert version == f"2014-12-01-{artifact_sha256(registry.folder(version))[:12]}"
    assert registry.published() == version
    assert registry.load().as_of == date(2014, 12, 1)


def test_the_last_n_are_kept_and_the_oldest_goes_first(tmp_path: Path) -> None:
    registry = Registry(tmp_path, keep=2)
    versions = [registry.publish(artifact(day)) for day in (1, 2, 3)]
    assert registry.versions() == tuple(versions[1:])
    assert sorted(path.name for path in tmp_path.iterdir()) == [*versions[1:], "published.json"]


def test_rolling_back_moves_the_pointer_and_removes_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path, keep=2)
    first, second = registry.publish(artifact(1)), registry.publish(artifact(2))
    assert registry.rollback() == first
    assert (registry.published(), registry.versions()) == (first, (first, second))
    assert registry.rollback(second) == second
    with pytest.raises(NoSuchVersion, match="2013-01-01-0"):
        registry.rollback("2013-01-01-0")


def test_publishing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    version = registry.publish(artifact())
    assert registry.publish(artifact()) == version
    assert registry.versions() == (version,)


def test_a_version_that_lost_a_file_is_written_anew(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    version = registry.publish(artifact())
    (registry.folder(version) / "tracks.arrow").unlink()
    registry.publish(artifact())
    assert len(registry.load(version).catalog) == TRACKS


def test_a_broken_artifact_leaves_what_was_published(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    version = registry.publish(artifact(1))
    with pytest.raises(ArtifactBroken):
        registry.publish(artifact(2, tracks=3))
    assert registry.published() == version
    registry.publish(artifact(3))
    assert not list(tmp_path.glob(".unfinished-*"))


def test_rolling_back_to_a_broken_version_is_refused(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    first, second = registry.publish(artifact(1)), registry.publish(artifact(2))
    (registry.folder(first) / "tracks.arrow").unlink()
    with pytest.raises(ArtifactBroken):
        registry.rollback()
    assert registry.published() == second


def test_the_pointer_is_one_small_json(tmp_path: Path) -> None:
    version = Registry(tmp_path).publish(artifact())
    assert json.loads((tmp_path / "published.json").read_text()) == {"version": version, "order": [version]}


@pytest.mark.parametrize(
    "pointer", ["{}", '{"version": 5, "order": [5]}', '{"version": "v", "order": null}', "[" * 100_000]
)
def test_a_pointer_of_another_form_is_broken_and_says_so(tmp_path: Path, pointer: str) -> None:
    (tmp_path / "published.json").write_text(pointer)
    with pytest.raises(ModelBroken, match="wanted a"):
        Registry(tmp_path).published()
