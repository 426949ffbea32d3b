"""`backbeat config` tells every setting, and never the secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backbeat.cli import main
from backbeat.config import settings_lines
from backbeat.settings import SETTINGS

SECRET = "hush-hush-hush-hush-hush-hush-hush"


def test_every_setting_is_told_with_its_meaning() -> None:
    lines = settings_lines({})
    assert [line.setting for line in lines] == [setting.variable for setting in SETTINGS]
    assert all(line.origin == "default" and line.meaning for line in lines)


def test_a_set_variable_is_told_as_such_and_an_empty_one_is_not() -> None:
    told = {line.setting: line for line in settings_lines({"BACKBEAT_PORT": "9000", "BACKBEAT_HOST": ""})}
    assert (told["BACKBEAT_PORT"].value, told["BACKBEAT_PORT"].origin) == ("9000", "environment")
    assert told["BACKBEAT_HOST"].origin == "default"


def test_the_lake_is_told_where_it_lies(tmp_path: Path) -> None:
    told = {line.setting: line.value for line in settings_lines({"BACKBEAT_HOME": str(tmp_path)})}
    assert told["BACKBEAT_LAKE"] == str(tmp_path / "lake")


@pytest.mark.parametrize("arguments", [["config"], ["config", "--json"]])
def test_the_secret_is_never_shown(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKBEAT_SECRET", SECRET)
    main(arguments)
    told = capsys.readouterr()
    assert "hush" not in told.out + told.err
    assert "34" in told.out


def test_a_setting_that_cannot_be_read_is_shown_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKBEAT_PORT", "eight")
    with pytest.raises(SystemExit) as ended:
        main(["config", "--json"])
    assert ended.value.code == 2
    told = capsys.readouterr()
    shown = {line["setting"]: line["value"] for line in json.loads(told.out)["settings"]}
    assert shown["BACKBEAT_PORT"] == "eight"
    assert "wanted a whole number" in told.err
