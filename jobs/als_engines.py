"""What fits ALS: `implicit` on this machine, or Spark MLlib for a matrix that one machine cannot hold.

Both minimise the loss of `models.als` from one configuration and end in one model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.run import JobRun
from models.als import AlsConfig, AlsModel
from models.als_training import fit_als, from_mllib
from models.base import Interactions

CHECKPOINT_ITERATIONS = 3  # each iteration's factors rest on the one before: a long chain of them overflows the stack


def fit(run: JobRun, interactions: Interactions, config: AlsConfig) -> AlsModel:
    """The model by the engine that the wiring names."""
    if run.wiring.als_engine == "mllib":
        with checkpoints(run.spark, run.lake.url):
            return fit_mllib(weights_frame(run.spark, interactions), interactions.tracks, config)
    return fit_als(interactions, config)


def fit_mllib(weights: DataFrame, tracks: int, config: AlsConfig) -> AlsModel:
    """MLlib's factors of `weights` (listener int, track int, weight float), as our model.

    MLlib's confidence is 1 + alpha r and its penalty lambda n, so alpha and lambda go in as they are (its
    `implicitPrefs` objective: Hu et al. 2008 with the weighting of Zhou et al. 2008). Raises ValueError for nu = 0.
    Within `checkpoints` it fits in any number of iterations; without, a dozen overflow the stack of Spark's tasks.
    """
    learner = ALS(
        rank=config.factors,
        maxIter=config.iterations,
        regParam=config.regularisation,
        alpha=config.alpha,
        implicitPrefs=True,
        seed=config.seed,
        userCol="listener",
        itemCol="track",
        ratingCol="weight",
        checkpointInterval=CHECKPOINT_ITERATIONS,
    )
    factors = learner.fit(weights).itemFactors.orderBy("id").toArrow()
    vectors = np.stack(factors["features"].to_numpy()).astype(np.float32)
    return from_mllib(factors["id"].to_numpy().astype(np.int64), vectors, tracks, config)


@contextmanager
def checkpoints(spark: SparkSession, lake_url: str) -> Iterator[None]:
    """A folder beside the tables, where every executor can write, for what MLlib puts down on its way."""
    context = spark.sparkContext
    context.setCheckpointDir(f"{lake_url}/.checkpoints")
    try:
        yield
    finally:
        assert context._jvm is not None  # noqa: S101  # for the type checker: a session that runs has a JVM
        folder = context._jvm.org.apache.hadoop.fs.Path(context.getCheckpointDir())
        folder.getFileSystem(context._jsc.hadoopConfiguration()).delete(folder, True)


def weights_frame(spark: SparkSession, interactions: Interactions) -> DataFrame:
    """The positive weights as rows of (listener, track, weight)."""
    pairs = interactions.weights.tocoo()
    rows = pa.table(
        {
            "listener": pa.array(pairs.row.astype(np.int32)),
            "track": pa.array(pairs.col.astype(np.int32)),
            "weight": pa.array(pairs.data.astype(np.float32)),
        }
    )
    return spark.createDataFrame(rows).where(F.col("weight") > 0)
