"""The examples of docs/api.md, run against the API."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.serving.house import House

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [f"curl{command}" for block in BLOCKS for command in re.split(r"^curl", block, flags=re.MULTILINE)[1:]]


def parsed(command: str) -> tuple[str, str, dict[str, str], str | None]:
    """Method, path with query, headers and body of a curl command."""
    method, url, headers, body = "GET", "", {}, None
    words = iter(shlex.split(command)[1:])
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "--json":  # a POST with its Content-Type
                method, body = "POST", next(words)
                headers["Content-Type"] = "application/json"
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case _:
                url = word
    parts = urlsplit(url)
    return method, f"{parts.path}?{parts.query}", headers, body


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_of_the_documentation_is_answered(house: House, command: str) -> None:
    method, path, headers, body = parsed(command)
    answer = house.client.request(method, path, headers=headers, content=body)
    assert answer.status_code in (200, 202), answer.text


def test_every_route_has_an_example(house: House) -> None:
    asked = [(method, path.partition("?")[0]) for method, path, _, _ in map(parsed, COMMANDS)]
    for route, operations in house.client.get("/openapi.json").json()["paths"].items():
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", route))
        for method in operations:
            if route.startswith("/v1"):
                assert any(method.upper() == verb and pattern.fullmatch(path) for verb, path in asked), (method, route)
