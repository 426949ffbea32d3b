"""Real plays for the notebooks that want them: 30Music and HetRec 2011's Last.fm, where this machine has them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import warehouse
from models.evaluation.splits import SessionPlays
from warehouse.rules.quantity import SECOND_MS

FOLDER = "BACKBEAT_TEST_DATA"


def data_folder(name: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The data set of that name in the folder that BACKBEAT_TEST_DATA names, or None where it is not there."""
    folder = Path(environment.get(FOLDER) or "../shared/data") / name
    return folder if folder.is_dir() else None


def session_plays(environment: Mapping[str, str] = os.environ) -> tuple[SessionPlays, str]:
    """30Music's plays, or else the counted plays of the lake; and in words which of the two they are."""
    if folder := data_folder("30music", environment):
        columns = pq.read_table(folder / "plays.parquet", columns=["user_id", "song_id", "session_id", "ts"])
        listeners, tracks, sessions, started_s = (column.to_numpy().astype(np.int64) for column in columns.columns)
        plays, source = SessionPlays(listeners, tracks, sessions, started_s * SECOND_MS), "30Music, real plays of 2014"
    else:
        plays, source = _of_the_lake(), f"the plays of your lake ({FOLDER} names no folder with 30Music)"
    return plays, f"{source}: {len(plays.tracks):,} plays by {len(np.unique(plays.listeners)):,} listeners"


def _of_the_lake() -> SessionPlays:
    told = warehouse.read("core.sessions").pandas().sort_values(["listener_id", "started_ms"], kind="stable")
    sessions = told.groupby(["listener_id", "session_started_ms"], sort=True).ngroup()
    return SessionPlays(
        told["listener_id"].to_numpy(str),
        told["track_id"].to_numpy(str),
        sessions.to_numpy(np.int64),
        told["started_ms"].to_numpy(np.int64),
    )
