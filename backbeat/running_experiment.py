"""The experiment that runs, or that a command is asked about: a JSON file."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from backbeat.output import CommandFailed
from backbeat.settings import Settings
from models.experiments.assignment import Arm, Experiment

_LIKE = '{"name": ..., "arms": [{"name": ..., "share_bp": 5000}, ...]} with shares that sum to 10000'


def experiment_file(settings: Settings) -> Path:
    """Where it is, or would be."""
    return Path(settings.experiment).expanduser() if settings.experiment else settings.home.experiment


def running_experiment(settings: Settings) -> Experiment | None:
    """The experiment that the API runs; None where none is set and none is in BACKBEAT_HOME. Raises `CommandFailed`."""
    path = experiment_file(settings)
    return experiment_of(path) if settings.experiment or path.exists() else None


def experiment_of(path: Path) -> Experiment:
    """The experiment that the file describes. Raises `CommandFailed`, also for a key that is none: it may be a typo."""
    try:
        document = msgspec.json.decode(path.read_bytes())
        experiment = msgspec.convert(document, Experiment)
    except FileNotFoundError:
        raise CommandFailed(f"there is no experiment at {path}; docs/experiments.md says how to describe one") from None
    except (OSError, msgspec.DecodeError) as error:
        raise CommandFailed(f"reading the experiment {path}: {error}; wanted {_LIKE}") from error
    _refuse_unknown(path, document, Experiment, "an experiment")
    for arm in document["arms"]:
        _refuse_unknown(path, arm, Arm, "an arm")
    return experiment


def _refuse_unknown(path: Path, described: dict[str, Any], kind: type[Experiment | Arm], called: str) -> None:
    known = [field.name for field in fields(kind)]
    if unknown := [name for name in described if name not in known]:
        found = f"{called} with {', '.join(unknown)}"
        raise CommandFailed(f"reading the experiment {path}: found {found}; it has {', '.join(known)}")
