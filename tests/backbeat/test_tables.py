from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from backbeat.cli import main
from warehouse.stores.lake import Lake
from warehouse.tables import RAW_QUARANTINE


def migrated(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    main(["tables", "migrate", "--json"])
    return dict(json.loads(capsys.readouterr().out)["added"])


def test_migrating_adds_the_columns_that_a_newer_version_declares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    older = replace(RAW_QUARANTINE, columns=RAW_QUARANTINE.columns[:5])
    lake = Lake(str(tmp_path / "lake"))
    lake.append(older, older.schema.empty_table())
    assert migrated(capsys) == {"raw.quarantine": ["listener_id", "received_ms"]}
    assert migrated(capsys) == {}
    assert lake.read(RAW_QUARANTINE).schema.names == RAW_QUARANTINE.schema.names
