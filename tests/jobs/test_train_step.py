"""The step that fits a candidate, beside whatever is published."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jobs.candidate import Brief, CandidateFolder
from jobs.run import JobRun, Wiring
from jobs.train import main
from models.artifact import MANIFEST
from models.registry import Registry
from tests.jobs.tables import rows_of
from tests.models.test_artifact import artifact
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.tables import FEATURES_TASTE, FEATURES_TRANSITIONS


def absent() -> Any:
    raise AssertionError("with too little to split, nothing is fitted and no store opened")


@pytest.fixture
def run(tmp_path: Path) -> JobRun:
    """On a day's taste: too little to split, and enough to say what it would be compared with."""
    home = Home.from_environment({"BACKBEAT_HOME": str(tmp_path)})
    lake = Lake(home.lake_url)
    day, track = date(2025, 1, 1), {"listener_id": "ada", "track_id": "t1", "plays": 1, "skips": 0}
    lake.append(FEATURES_TASTE, rows(FEATURES_TASTE, {**track, "day": day, "last_started_ms": 0}))
    lake.append(FEATURES_TRANSITIONS, rows(FEATURES_TRANSITIONS))
    return JobRun(Wiring(lake, home, absent, absent, absent), date(2025, 1, 2), absent)


def rows(table: Any, *told: dict[str, Any]) -> Any:
    return rows_of(table, [dict.fromkeys(table.schema.names) | row for row in told])


@pytest.mark.parametrize("broken", [{"format": 1}, {"configs": {"als": {"rank": 64}}}], ids=["format", "configuration"])
def test_what_is_published_and_cannot_be_read_stops_no_candidate(run: JobRun, broken: dict[str, Any]) -> None:
    registry = Registry(run.wiring.home.models)
    path = registry.folder(registry.publish(artifact())) / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | broken))
    main(run)
    assert CandidateFolder(run.wiring.home.candidate).brief(run.as_of).published is None
    assert str(path.parent) in run.tally.facts["published_model"]


def test_what_is_published_is_what_the_candidate_is_compared_with(run: JobRun) -> None:
    Registry(run.wiring.home.models).publish(artifact())
    main(run)
    brief: Brief = CandidateFolder(run.wiring.home.candidate).brief(run.as_of)
    assert brief.published is not None
    assert brief.published["factors"] == artifact().als.config.factors
