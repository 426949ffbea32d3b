"""Every setting of Backbeat: read once from the environment in a command, and passed down from there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from warehouse.stores.home import Home


@dataclass(frozen=True)
class Setting:
    """One environment variable: `default` is what stands where it is not set."""

    variable: str
    default: str
    meaning: str


HOME = Setting("BACKBEAT_HOME", ".backbeat", "the one folder for all state")
LAKE = Setting("BACKBEAT_LAKE", "", "URL of the lake; empty means the folder lake in BACKBEAT_HOME")
ROWS = Setting(
    "BACKBEAT_ROWS", "sqlite", "rows store: sqlite, valkey://HOST:PORT[/DATABASE], or bigtable://PROJECT/INSTANCE"
)
LOG = Setting("BACKBEAT_LOG", "sqlite", "event log: sqlite, or kafka://HOST:PORT")
WAREHOUSE = Setting("BACKBEAT_WAREHOUSE", "duckdb", "SQL engine: duckdb, or bigquery://PROJECT/DATASET")
SPARK_MASTER = Setting("BACKBEAT_SPARK_MASTER", "local[*]", "Spark master URL")
SPARK_MEMORY = Setting("BACKBEAT_SPARK_MEMORY", "2g", "memory of the Spark driver")
HOST = Setting("BACKBEAT_HOST", "127.0.0.1", "address the API listens on")
PORT = Setting("BACKBEAT_PORT", "8000", "port the API listens on")
SECRET = Setting("BACKBEAT_SECRET", "", "signs listener tokens, 32 bytes or more; empty means no token is asked for")
KEEP_MODELS = Setting("BACKBEAT_KEEP_MODELS", "5", "published models kept for rollback")
ALS = Setting("BACKBEAT_ALS", "implicit", "what fits ALS: implicit on one machine, mllib on Spark's")
EXPERIMENT = Setting(
    "BACKBEAT_EXPERIMENT", "", "JSON of the experiment that runs; empty means experiment.json in BACKBEAT_HOME, if any"
)
STACK_PORTS = Setting(
    "BACKBEAT_STACK_PORTS", "", "where `backbeat stack` starts servers: kafka=9192,valkey=6380; empty means the usual"
)
RECORDS = Setting("BACKBEAT_RECORDS", "mlflow", "where train, search and evaluate record their runs: mlflow, or none")
TEST_DATA = Setting("BACKBEAT_TEST_DATA", "../shared/data", "folder of real data sets, for tests and benchmarks")
LAST_PORT = 65_535
SETTINGS = (
    HOME,
    LAKE,
    ROWS,
    LOG,
    WAREHOUSE,
    SPARK_MASTER,
    SPARK_MEMORY,
    HOST,
    PORT,
    SECRET,
    KEEP_MODELS,
    ALS,
    EXPERIMENT,
    STACK_PORTS,
    RECORDS,
    TEST_DATA,
)
LAKE_SCHEMES = ("file", "s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "hdfs")  # that Delta's client opens


@dataclass(frozen=True)
class Settings:
    """The settings of one process."""

    home: Home
    rows: str
    log: str
    warehouse: str
    spark_master: str
    spark_memory: str
    host: str
    port: int
    secret: str
    keep_models: int
    als: str
    experiment: str
    stack_ports: Mapping[str, int]
    records: str
    test_data: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read all of `SETTINGS`. Raises `SettingError` with the variable, what was found and what was wanted."""
        return cls(
            home=_home(environment),
            rows=value_of(ROWS, environment),
            log=value_of(LOG, environment),
            warehouse=value_of(WAREHOUSE, environment),
            spark_master=value_of(SPARK_MASTER, environment),
            spark_memory=value_of(SPARK_MEMORY, environment),
            host=value_of(HOST, environment),
            port=_whole_number(PORT, environment, 0, LAST_PORT),
            secret=_secret(environment),
            keep_models=_whole_number(KEEP_MODELS, environment, 1, 1_000),
            als=_one_of(ALS, environment, ("implicit", "mllib")),
            experiment=value_of(EXPERIMENT, environment),
            stack_ports=named_ports(value_of(STACK_PORTS, environment), STACK_PORTS.variable),
            records=_one_of(RECORDS, environment, ("mlflow", "none")),
            test_data=value_of(TEST_DATA, environment),
        )


def _home(environment: Mapping[str, str]) -> Home:
    home = Home.from_environment(environment)
    scheme, there, place = home.lake_url.partition("://")
    if there and (scheme not in LAKE_SCHEMES or not place):
        wanted = f"a folder, or a URL that begins with {', '.join(LAKE_SCHEMES)}"
        raise SettingError(f"{LAKE.variable} is {home.lake_url!r}; wanted {wanted}")
    return home


class SettingError(Exception):
    """An environment variable holds what it cannot mean."""


def value_of(setting: Setting, environment: Mapping[str, str]) -> str:
    """What is set, or the default; an empty variable counts as not set."""
    return environment.get(setting.variable) or setting.default


def _whole_number(setting: Setting, environment: Mapping[str, str], low: int, high: int) -> int:
    text = value_of(setting, environment)
    if not text.isdecimal() or not low <= int(text) <= high:
        raise SettingError(f"{setting.variable} is {text!r}; wanted a whole number from {low} to {high}")
    return int(text)


def _one_of(setting: Setting, environment: Mapping[str, str], allowed: tuple[str, ...]) -> str:
    text = value_of(setting, environment)
    if text not in allowed:
        raise SettingError(f"{setting.variable} is {text!r}; wanted {' or '.join(allowed)}")
    return text


def named_ports(text: str, origin: str) -> dict[str, int]:
    """`kafka=9192,valkey=6380` as a port by name. Raises `SettingError`, which names the origin."""
    told = [word.partition("=") for word in text.split(",") if word]
    for name, _, port in told:
        if not name or not port.isdecimal() or not 1 <= int(port) <= LAST_PORT:
            raise SettingError(f"{origin} is {text!r}; wanted SERVICE=PORT with a port from 1 to {LAST_PORT}")
    return {name: int(port) for name, _, port in told}


def _secret(environment: Mapping[str, str]) -> str:
    secret = value_of(SECRET, environment)
    if secret and len(secret.encode()) < 32:
        raise SettingError(f"{SECRET.variable} has {len(secret.encode())} bytes; wanted 32 or more, or none at all")
    return secret
