"""What all tests share: steady property tests, one Spark session, one Kafka, and on CI no test left out unseen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Property tests take the time that a busy machine needs, and find the same cases every time.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One Spark session for all tests that run in this process."""
    from jobs.session import SparkSettings, spark_session  # only tests that ask for Spark pay for loading it

    folder = tmp_path_factory.mktemp("spark")
    with spark_session(SparkSettings(master="local[1]", memory="1g", shuffle_partitions=1, scratch=folder)) as session:
        yield session


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one Kafka for all tests that run in this process; topics are each test's own by their prefix."""
    from deploy.local.kafka import broker
    from deploy.local.service import NotInstalled

    try:
        with broker(tmp_path_factory.mktemp("kafka")) as running:
            yield running.address
    except NotInstalled as error:
        pytest.skip(str(error))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Send the tests that use the Spark session, or the Kafka, to one worker, so that one of each starts."""
    for item in items:
        for fixture, mark in (("spark", pytest.mark.spark), ("kafka", pytest.mark.servers)):
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)
                if item.get_closest_marker("xdist_group") is None:
                    item.add_marker(pytest.mark.xdist_group(fixture))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """On CI a skipped test fails the run: there, everything that a test needs is installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("CI") != "true" or session.exitstatus != pytest.ExitCode.OK:
        return
    if skipped := reporter.stats.get("skipped"):
        reporter.write_line(f"\n{len(skipped)} skipped, and on CI none may be")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
