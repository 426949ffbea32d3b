"""The Spark session that jobs run in: settings measured to be right for one machine, and Delta's jars."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from jobs.java import JarsMissing, spark_jars, use_java

LOGGING = Path(__file__).with_name("log4j2.properties")


@dataclass(frozen=True)
class SparkSettings:
    """`brief` suits runs of a few minutes: the JVM then skips its optimising compiler and parallel collector.

    `scratch` is a folder for what spills, the system's temporary one by default.
    """

    master: str = "local[*]"
    memory: str = "2g"
    brief: bool = True
    shuffle_partitions: int = 4
    scratch: Path | None = None


@contextmanager
def spark_session(settings: SparkSettings) -> Iterator[SparkSession]:
    """A session that is stopped when the block ends. Raises `JarsMissing` with the command that helps."""
    use_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # Spark's workers need what this environment holds
    session = _builder(settings).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()


def _builder(settings: SparkSettings) -> SparkSession.Builder:
    builder = SparkSession.builder.appName("backbeat").master(settings.master)
    for name, value in _options(settings).items():
        builder = builder.config(name, value)
    return builder


def _options(settings: SparkSettings) -> dict[str, str]:
    scratch = {"spark.local.dir": str(settings.scratch)} if settings.scratch else {}
    return scratch | {
        "spark.driver.memory": settings.memory,
        "spark.driver.extraJavaOptions": _jvm_options(settings.brief),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.jars": ",".join(str(jar) for jar in spark_jars()),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
        "spark.sql.files.openCostInBytes": "65536",  # a day's file is small: read many of them in one task
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }


def _jvm_options(brief: bool) -> str:
    shared = f"-Dlog4j2.configurationFile={LOGGING} -Duser.timezone=UTC"
    return f"{shared} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC" if brief else f"{shared} -XX:+UseParallelGC"


__all__ = ["JarsMissing", "SparkSettings", "spark_session"]
