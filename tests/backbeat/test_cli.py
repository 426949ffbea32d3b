"""The overview of the command line: what it says of each command is what the command says of itself."""

from __future__ import annotations

import tomllib
from importlib import import_module

import pytest
from cyclopts import App

from backbeat.cli import COMMANDS, main
from backbeat.code_version import CHECKOUT


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_says_of_a_command_what_its_module_says(name: str) -> None:
    target, summary = COMMANDS[name]
    module, _, attribute = target.partition(":")
    found = getattr(import_module(module), attribute)
    own = found.help if isinstance(found, App) else found.__doc__.split("\n\n")[0]
    assert summary == own


def test_every_command_is_in_the_overview_with_its_description(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    out = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(f"{name} {summary}" in out for name, (_, summary) in COMMANDS.items())


def test_a_command_tells_its_help_whole(capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", "--help"])
    assert "are answered by the learners that have a recipe for it" in " ".join(capsys.readouterr().out.split())


def test_the_version_is_the_one_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    assert capsys.readouterr().out.strip() == project["version"]
