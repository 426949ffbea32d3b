"""One configuration, two engines: `implicit` and Spark MLlib descend the same loss and end in one form of model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from scipy.sparse import csr_array

from jobs.als_engines import checkpoints, fit, fit_mllib, weights_frame
from models.als import AlsConfig, AlsModel
from models.als_training import Factors, fit_als, loss
from models.base import Interactions
from tests.jobs.tables import job_run

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]

LISTENERS, TRACKS, NOBODYS = 60, 40, 3
CONFIG = AlsConfig(factors=4, regularisation=0.2, alpha=8.0, iterations=24, frequency_exponent=1, seed=3)
TOLERANCE = 0.005  # they begin from different random factors, and end beside the same minimum


@pytest.fixture(scope="module")
def interactions() -> Interactions:
    """Listeners of four tastes over tracks of four kinds, with some noise; the last tracks are nobody's."""
    random = np.random.default_rng(11)
    likes = np.arange(LISTENERS)[:, None] % 4 == np.arange(TRACKS)[None, :] % 4
    heard = random.random((LISTENERS, TRACKS)) < np.where(likes, 0.6, 0.04)
    plays = np.where(heard, np.ceil(random.lognormal(0.5, 0.8, heard.shape)), 0.0)
    plays[:, -NOBODYS:] = 0.0
    weights = csr_array(plays.astype(np.float32))
    return Interactions(weights, csr_array(np.zeros((TRACKS, TRACKS), np.float32)), plays.sum(axis=0))


@pytest.fixture(scope="module")
def by_mllib(spark: SparkSession, interactions: Interactions, tmp_path_factory: pytest.TempPathFactory) -> AlsModel:
    with checkpoints(spark, str(tmp_path_factory.mktemp("lake"))):
        return fit_mllib(weights_frame(spark, interactions), TRACKS, CONFIG)


def settled_loss(model: AlsModel, interactions: Interactions) -> float:
    """The loss with each listener folded in exactly: what the tracks' vectors are worth."""
    dense, exact = interactions.weights.toarray().astype(np.float64), model.vectors.astype(np.float64)
    listeners = np.zeros((len(dense), model.config.factors))
    for row, plays in zip(listeners, dense, strict=True):
        confidence = 1.0 + model.config.alpha * plays
        penalty = model.config.penalty(int((plays > 0).sum()), model.tracks) * np.eye(model.config.factors)
        row[:] = np.linalg.solve((exact.T * confidence) @ exact + penalty, exact.T @ (confidence * (plays > 0)))
    return loss(Factors(model.config, listeners.astype(np.float32), model.vectors), interactions)


def test_both_engines_reach_the_same_loss_from_one_configuration(
    interactions: Interactions, by_mllib: AlsModel
) -> None:
    ours, theirs = settled_loss(fit_als(interactions, CONFIG), interactions), settled_loss(by_mllib, interactions)
    assert abs(theirs - ours) <= TOLERANCE * ours


def test_a_penalty_that_is_not_weighed_by_frequency_would_be_told_apart(interactions: Interactions) -> None:
    unweighted = fit_als(interactions, replace(CONFIG, frequency_exponent=0))
    judged = settled_loss(AlsModel.from_vectors(unweighted.vectors, CONFIG), interactions)
    assert judged > 1.5 * settled_loss(fit_als(interactions, CONFIG), interactions)


def test_both_models_have_one_form(interactions: Interactions, by_mllib: AlsModel, tmp_path: Path) -> None:
    fit_als(interactions, CONFIG).save(tmp_path / "implicit")
    by_mllib.save(tmp_path / "mllib")
    names = [sorted(file.name for file in (tmp_path / engine).iterdir()) for engine in ("implicit", "mllib")]
    assert names[0] == names[1]
    loaded = AlsModel.load(tmp_path / "mllib")
    assert loaded.config == CONFIG
    assert loaded.vectors.shape == (TRACKS, CONFIG.factors)
    assert np.array_equal(loaded.vectors, by_mllib.vectors)


def test_a_track_that_nobody_played_has_no_direction_in_either(interactions: Interactions, by_mllib: AlsModel) -> None:
    for model in (fit_als(interactions, CONFIG), by_mllib):
        assert not model.vectors[-NOBODYS:].any()
        assert model.vectors[:-NOBODYS].any(axis=1).all()


def test_the_wiring_names_the_engine(spark: SparkSession, interactions: Interactions, tmp_path: Path) -> None:
    run, config = job_run(tmp_path, spark), replace(CONFIG, iterations=4)
    on_spark = replace(run, wiring=replace(run.wiring, als_engine="mllib"))
    here, there = fit(run, interactions, config), fit(on_spark, interactions, config)
    assert np.array_equal(here.vectors, fit_als(interactions, config).vectors)
    assert list(Path(run.lake.url).rglob("*")) == [Path(run.lake.url, ".checkpoints")]  # nothing is left in it
    with checkpoints(spark, str(tmp_path)):
        by_mllib = fit_mllib(weights_frame(spark, interactions), TRACKS, config)
    np.testing.assert_allclose(there.vectors, by_mllib.vectors, atol=1e-5)


def test_mllib_refuses_the_loss_that_it_does_not_optimise(spark: SparkSession, interactions: Interactions) -> None:
    unweighted = AlsConfig(factors=2, iterations=1, frequency_exponent=0)
    with pytest.raises(ValueError, match="wanted a config with frequency_exponent 1"):
        fit_mllib(weights_frame(spark, interactions), TRACKS, unweighted)
