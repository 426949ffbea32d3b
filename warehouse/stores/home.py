"""BACKBEAT_HOME: the one folder for all state, and where each thing lies in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOME = ".backbeat"


@dataclass(frozen=True)
class Home:
    """`root` is a local folder; `lake_url` may be anywhere that Delta tables can be."""

    root: Path
    lake_url: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Home:
        """Read `BACKBEAT_HOME` (default `.backbeat`) and `BACKBEAT_LAKE` (default its folder `lake`)."""
        root = Path(environment.get("BACKBEAT_HOME") or DEFAULT_HOME).expanduser().resolve()
        return cls(root, environment.get("BACKBEAT_LAKE") or str(root / "lake"))

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def candidate(self) -> Path:
        return self.root / "candidate"

    @property
    def rows(self) -> Path:
        return self.root / "rows.db"

    @property
    def log(self) -> Path:
        return self.root / "log.db"

    @property
    def runs(self) -> Path:
        return self.root / "runs.db"

    @property
    def lock(self) -> Path:
        return self.root / "lake.lock"

    @property
    def stack(self) -> Path:
        return self.root / "stack"

    @property
    def experiment(self) -> Path:
        return self.root / "experiment.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def recipes(self) -> Path:
        return self.root / "recipes"

    @property
    def trained(self) -> Path:
        return self.root / "trained"

    @property
    def records(self) -> Path:
        return self.root / "records"
