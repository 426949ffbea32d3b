"""`backbeat token` signs what the API accepts."""

from __future__ import annotations

import json

import pytest

from backbeat.cli import main
from serving.tokens import TokenRefused, verify

SECRET = "0123456789abcdef0123456789abcdef"
DAY_MS = 24 * 60 * 60 * 1_000


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBEAT_SECRET", SECRET)


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_token_speaks_for_its_listener_until_it_expires(capsys: pytest.CaptureFixture[str]) -> None:
    main(["token", "ada", "--days", "2", "--json"])
    out = capsys.readouterr().out
    told = json.loads(out)
    assert out.count("\n") == 1
    assert told["listener"] == "ada"
    assert verify(told["token"], SECRET, now_ms=0) == "ada"
    with pytest.raises(TokenRefused, match="expired"):
        verify(told["token"], SECRET, now_ms=2**43)


def test_without_json_the_token_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    main(["token", "ada"])
    out = capsys.readouterr().out
    assert out.endswith("\n")
    assert verify(out.strip(), SECRET, now_ms=0) == "ada"


def test_another_secret_does_not_verify_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["token", "ada", "--json"])
    with pytest.raises(TokenRefused):
        verify(json.loads(capsys.readouterr().out)["token"], SECRET[::-1], now_ms=0)


def test_without_a_secret_nothing_is_signed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BACKBEAT_SECRET")
    assert exit_code("token", "ada") == 1
    assert "BACKBEAT_SECRET is not set" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--days", "0"], ["--days", "367"], ["--days", "soon"]])
def test_days_out_of_bounds_are_bad_usage(arguments: list[str]) -> None:
    assert exit_code("token", "ada", *arguments) == 2


@pytest.mark.parametrize("listener", ["", "a\nb", "x" * 257])
def test_what_is_no_listener_id_is_bad_usage(listener: str) -> None:
    assert exit_code("token", listener) == 2
