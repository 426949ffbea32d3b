"""`backbeat config`: every setting, its value, and where the value came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from backbeat.output import Flag, console, emit, table
from backbeat.settings import HOME, LAKE, SECRET, SETTINGS, Setting, Settings, value_of
from warehouse.stores.home import Home


@dataclass(frozen=True)
class Line:
    """One setting as this process sees it; `origin` is `environment`, or `default`."""

    setting: str
    value: str
    origin: str
    meaning: str


def config(*, json: Flag = False) -> None:
    """Print every setting: what it is, where that was set, and what it means. The secret's value is never shown.

    Args:
        json: One JSON document on one line.
    """
    lines = settings_lines(os.environ)
    if json:
        emit({"settings": [asdict(line) for line in lines]})
    else:
        rows = [(line.setting, line.value, line.origin, line.meaning) for line in lines]
        console().print(table("settings", ["variable", "value", "from", "meaning"], rows))
    Settings.from_environment()


def settings_lines(environment: Mapping[str, str]) -> list[Line]:
    """A line for each of `SETTINGS`, in their order."""
    return [_line(setting, environment) for setting in SETTINGS]


def _line(setting: Setting, environment: Mapping[str, str]) -> Line:
    origin = "environment" if environment.get(setting.variable) else "default"
    return Line(setting.variable, _shown(setting, environment), origin, setting.meaning)


def _shown(setting: Setting, environment: Mapping[str, str]) -> str:
    value = value_of(setting, environment)
    if setting == SECRET:
        return f"set, {len(value.encode())} bytes" if value else "not set"
    home = Home.from_environment(environment)
    return {HOME.variable: str(home.root), LAKE.variable: home.lake_url}.get(setting.variable, value)
