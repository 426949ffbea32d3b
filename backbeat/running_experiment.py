"""The experiment that runs, or that a command is asked about: a JSON file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from backbeat.output import CommandFailed
from backbeat.settings import Settings
from models.experiments.assignment import Experiment

_LIKE = '{"name": ..., "arms": [{"name": ..., "share_bp": 5000}, ...]} with shares that sum to 10000'


def experiment_file(settings: Settings) -> Path:
    """Where it is, or would be."""
    return Path(settings.experiment).expanduser() if settings.experiment else settings.home.experiment


def running_experiment(settings: Settings) -> Experiment | None:
    """The experiment that the API runs; None where none is set and none is in BACKBEAT_HOME. Raises `CommandFailed`."""
    path = experiment_file(settings)
    return experiment_of(path) if settings.experiment or path.exists() else None


def experiment_of(path: Path) -> Experiment:
    """The experiment that the file describes. Raises `CommandFailed`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Experiment)
    except FileNotFoundError:
        raise CommandFailed(f"there is no experiment at {path}; docs/experiments.md says how to describe one") from None
    except (OSError, msgspec.DecodeError) as error:
        raise CommandFailed(f"reading the experiment {path}: {error}; wanted {_LIKE}") from error
