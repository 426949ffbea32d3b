"""What fits ALS: `implicit` on this machine, or Spark MLlib for a matrix that one machine cannot hold.

Both minimise the loss of `models.als` from one configuration and end in one model.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.run import JobRun
from models.als import AlsConfig, AlsModel
from models.als_training import fit_als, from_mllib
from models.base import Interactions


def fit(run: JobRun, interactions: Interactions, config: AlsConfig) -> AlsModel:
    """The model by the engine that the wiring names."""
    if run.wiring.als_engine == "mllib":
        return fit_mllib(weights_frame(run.spark, interactions), interactions.tracks, config)
    return fit_als(interactions, config)


def fit_mllib(weights: DataFrame, tracks: int, config: AlsConfig) -> AlsModel:
    """MLlib's factors of `weights` (listener int, track int, weight float), as our model.

    MLlib's confidence is 1 + alpha r and its penalty lambda n, so alpha and lambda go in as they are (its
    `implicitPrefs` objective: Hu et al. 2008 with the weighting of Zhou et al. 2008). Raises ValueError for nu = 0.
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
        checkpointInterval=-1,
    )
    factors = learner.fit(weights).itemFactors.orderBy("id").toArrow()
    vectors = np.stack(factors["features"].to_numpy()).astype(np.float32)
    return from_mllib(factors["id"].to_numpy().astype(np.int64), vectors, tracks, config)


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
