"""What the docs say of the house is so: links lead somewhere, commands and targets exist, generated pages are fresh."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from backbeat.cli import COMMANDS, application
from backbeat.tables_page import page
from jobs.plan import PLANS
from tests.serving.house import House

CHECKOUT = Path(__file__).resolve().parents[1]
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|`)(?:\.venv/bin/)?backbeat +([a-z][^`\n]*)", re.MULTILINE)
MAKE = re.compile(r"(?:^|`)make +([a-z][a-z-]*)", re.MULTILINE)
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
each = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(CHECKOUT).as_posix())


def prose(text: str) -> str:
    return FENCE.sub("", text)


def anchors(path: Path) -> set[str]:
    """What GitHub makes of the headings."""
    titles = re.findall(r"^#+ (.+)$", prose(path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(text: str) -> Iterator[list[str]]:
    """Every `backbeat ...` at the start of a line or of a quotation, as words."""
    for line in COMMAND.findall(text):
        yield shlex.split(line, comments=True)


@each
def test_links_lead_to_files_that_are_there(path: Path) -> None:
    for link in LINK.findall(prose(path.read_text("utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        assert target.is_relative_to(CHECKOUT), link
        assert not anchor or anchor in anchors(target), link


@each
def test_commands_in_the_docs_exist_with_their_options(path: Path) -> None:
    app = application()
    for words in commands(path.read_text("utf-8")):
        assert words[0] in COMMANDS, words
        options = [word.partition("=")[0] for word in words if word.startswith("--")]
        named = app[words[0]]
        if named.default_command is None:  # a group: `models list`
            assert set(words[1:2]) & set(named), words
            named = named[words[1]]
        known = {name for argument in named.assemble_argument_collection() for name in argument.names}
        assert set(options) <= known | {"--help"}, words


@each
def test_plans_that_the_docs_run_exist(path: Path) -> None:
    for words in commands(path.read_text("utf-8")):
        if words[0] == "run" and len(words) > 1 and words[1].isalpha() and words[1].islower():
            assert words[1] in PLANS, words


@each
def test_make_targets_in_the_docs_exist(path: Path) -> None:
    targets = set(TARGET.findall((CHECKOUT / "Makefile").read_text("utf-8")))
    assert set(MAKE.findall(path.read_text("utf-8"))) <= targets


def test_the_index_which_the_readme_names_names_every_notebook_and_guide() -> None:
    index = CHECKOUT / "docs" / "README.md"
    assert "docs/README.md" in LINK.findall((CHECKOUT / "README.md").read_text("utf-8"))
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(index.read_text("utf-8"))}
    wanted = {*(CHECKOUT / "notebooks").glob("*.ipynb"), *(CHECKOUT / "docs").glob("*.md")} - {index}
    assert wanted - {CHECKOUT / "docs" / "roadmap.md"} <= linked


def test_the_readme_asks_the_api_what_it_answers(tmp_path: Path) -> None:
    text = (CHECKOUT / "README.md").read_text("utf-8")
    asked = re.findall(r"curl \"\$API(/[^?\"]+)", text)
    with House(tmp_path) as house:
        routes = house.client.get("/openapi.json").json()["paths"]
    assert len(asked) == text.count("\ncurl ")
    for path in asked:
        assert any(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), f"/v1{path}") for route in routes), path


def test_the_page_of_tables_is_what_the_declarations_say() -> None:
    assert (CHECKOUT / "docs" / "tables.md").read_text("utf-8") == page(), "backbeat tables document mends this"


def test_decisions_are_numbered_without_a_gap_and_titled_by_their_number() -> None:
    decisions = sorted((CHECKOUT / "docs" / "decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        assert path.read_text("utf-8").startswith(f"# {path.name[:4]}: ")
