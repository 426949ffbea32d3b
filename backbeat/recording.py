"""What is kept of every run of `train`, `search` and `evaluate`: of which data and code, with which settings, how good.

MLflow keeps it, in a SQLite file in BACKBEAT_HOME/records; it is imported late, since that takes seconds.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from backbeat.databases import kept_in
from backbeat.settings import Settings

Curve = Sequence[tuple[int, float]]
EXPERIMENT = "backbeat"
RUNS_AT_MOST = 5_000
POINTS_AT_ONCE = 1_000  # MLflow takes no more
_DESCRIBED = ("kind", "model", "data", "data_version", "code_version")


@dataclass(frozen=True)
class Record:
    """One run: `kind` is the command; `curves` are values by step, `parameters` the settings that it ran with."""

    kind: str
    model: str
    data: str
    data_version: str
    code_version: str
    seconds: float
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    run_id: str = ""
    ended: datetime | None = None


class Records(Protocol):
    """Where runs are kept. Each raises `CommandFailed` where that cannot be used."""

    def add(self, records: Iterable[Record]) -> None:
        """Keep them, as ended now."""

    def all(self) -> list[Record]:
        """All that are kept, the newest first."""


class NoRecords:
    """Keeps nothing."""

    def add(self, records: Iterable[Record]) -> None: ...

    def all(self) -> list[Record]:
        return []


def open_records(settings: Settings) -> Records:
    """Where this process keeps its runs."""
    return NoRecords() if settings.records == "none" else MlflowRecords(settings.home.records)


class MlflowRecords:
    """`Records` in MLflow's tracking store, in the file runs.db of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, records: Iterable[Record]) -> None:
        with kept_in(self._file, "the run is not recorded: writing"):
            self._add(records)

    def all(self) -> list[Record]:
        with kept_in(self._file, "reading the recorded runs in"):
            found = self._client.search_runs([self._experiment], max_results=RUNS_AT_MOST, order_by=["end_time DESC"])
            return [self._record(run) for run in found]

    @property
    def _file(self) -> Path:
        return self._folder / "runs.db"

    def _add(self, records: Iterable[Record]) -> None:
        from mlflow.entities import Param

        for record in records:
            ended_ms = int(time.time() * 1000)
            tags = {name: getattr(record, name) for name in _DESCRIBED}
            run = self._client.create_run(
                self._experiment,
                start_time=ended_ms - round(record.seconds * 1000),
                tags=tags,
                run_name=f"{record.kind} {record.model} on {record.data}",
            )
            params = [Param(name, str(value)) for name, value in record.parameters.items()]
            self._client.log_batch(run.info.run_id, params=params)
            points = _points(record, ended_ms)
            for start in range(0, len(points), POINTS_AT_ONCE):
                self._client.log_batch(run.info.run_id, metrics=points[start : start + POINTS_AT_ONCE])
            self._client.set_terminated(run.info.run_id, end_time=ended_ms)

    @cached_property
    def _client(self) -> Any:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # it logs the traceback of what it then raises
        self._folder.mkdir(parents=True, exist_ok=True)
        return MlflowClient(tracking_uri=f"sqlite:///{self._file}")

    @cached_property
    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return found.experiment_id
        return self._client.create_experiment(EXPERIMENT, artifact_location=(self._folder / "files").as_uri())

    def _record(self, run: Any) -> Record:
        names = [name for name in run.data.metrics if name.startswith("curve/")]
        return Record(
            **{name: run.data.tags.get(name, "") for name in _DESCRIBED},
            seconds=(run.info.end_time - run.info.start_time) / 1000,
            parameters=dict(run.data.params),
            metrics={_ours(name): value for name, value in run.data.metrics.items() if name not in names},
            curves={_ours(name.removeprefix("curve/")): self._curve(run.info.run_id, name) for name in names},
            run_id=run.info.run_id,
            ended=datetime.fromtimestamp(run.info.end_time / 1000, UTC),
        )

    def _curve(self, run_id: str, name: str) -> Curve:
        return sorted((point.step, point.value) for point in self._client.get_metric_history(run_id, name))


def _points(record: Record, now_ms: int) -> list[Any]:
    from mlflow.entities import Metric

    return [Metric(_theirs(name), value, now_ms, 0) for name, value in record.metrics.items()] + [
        Metric(_theirs(f"curve/{name}"), value, now_ms, step)
        for name, points in record.curves.items()
        for step, value in points
    ]


def _theirs(name: str) -> str:
    """MLflow's names have no @."""
    return name.replace("@", "_at_")


def _ours(name: str) -> str:
    return name.replace("_at_", "@")
