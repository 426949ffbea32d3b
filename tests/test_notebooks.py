"""The notebooks as they are in git: clean, numbered, within their rooms; and that they run."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import nbformat
import pytest
from nbformat import NotebookNode

from notebooks.__main__ import CHECKOUT, FOLDER, NotebookFailed, environment_of, execute, fill, numbered
from warehouse.stores.home import Home

ROOMS = {"jobs", "models", "warehouse"}
OTHER_ROOMS = {"backbeat", "bench", "dags", "deploy", "serving", "streaming", "tests"}
NOTEBOOKS = numbered()
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def opened(path: Path) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # typed in part
    return notebook


def code_cells(path: Path) -> list[NotebookNode]:
    return [cell for cell in opened(path).cells if cell.cell_type == "code"]


def names_imported(path: Path) -> Iterator[tuple[str, str]]:
    """Each module with each name that is taken from it."""
    for cell in code_cells(path):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.module or "", alias.name) for alias in node.names)


def test_notebooks_are_numbered_from_one_without_a_gap() -> None:
    assert [int(path.name[:2]) for path in NOTEBOOKS] == list(range(1, len(NOTEBOOKS) + 1))
    assert {path.name for path in FOLDER.glob("*.ipynb")} == {path.name for path in NOTEBOOKS}


@each
def test_a_notebook_is_valid(path: Path) -> None:
    nbformat.validate(opened(path))


@each
def test_a_notebook_opens_with_its_title_and_number(path: Path) -> None:
    first = opened(path).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {path.name[:2]} · ")


@each
def test_no_output_is_committed(path: Path) -> None:
    assert [cell.id for cell in code_cells(path) if cell.outputs or cell.execution_count] == []


@each
def test_code_cells_are_python_of_our_line_length(path: Path) -> None:
    for cell in code_cells(path):
        ast.parse(cell.source)
        assert max(len(line) for line in cell.source.splitlines()) <= 120, cell.source


@each
def test_a_notebook_imports_public_names_of_its_rooms_alone(path: Path) -> None:
    for module, name in names_imported(path):
        assert module.partition(".")[0] not in OTHER_ROOMS, module
        if module.partition(".")[0] in ROOMS:
            assert not any(part.startswith("_") for part in [*module.split("."), name]), f"{module}.{name}"


@each
def test_a_notebook_is_drawn_in_the_shared_style(path: Path) -> None:
    assert 'plt.style.use("notebooks.style")' in code_cells(path)[0].source


def test_the_shared_style_holds_settings_that_matplotlib_knows() -> None:
    settings = mpl.rc_params_from_file(FOLDER / "style.mplstyle", use_default_template=False)
    assert settings["axes.spines.top"] is False


@pytest.mark.slow
def test_every_notebook_runs_without_a_warning(tmp_path: Path) -> None:
    home = Home(tmp_path, str(tmp_path / "lake"))
    fill(home)
    subprocess.run([sys.executable, "-m", "notebooks"], cwd=CHECKOUT, env=environment_of(home), check=True)
    for source in NOTEBOOKS:
        executed = code_cells(home.reports / "notebooks" / source.name)
        assert all(cell.execution_count for cell in executed)
        said = [out.text for cell in executed for out in cell.outputs if out.get("name") == "stderr"]
        assert said == [], source.name


def test_a_cell_that_fails_is_named_with_its_error_and_what_came_before_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "01_broken.ipynb"
    cell: dict[str, object] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**cell, "id": "works", "source": "print('so far')"}, {**cell, "id": "fails", "source": "1 / 0"}]
    source.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}), "utf-8")
    with pytest.raises(NotebookFailed, match=r"(?s)01_broken.ipynb.*1 / 0.*ZeroDivisionError"):
        execute(source, Home(tmp_path, str(tmp_path / "lake")), tmp_path / "out" / source.name)
    first, _ = code_cells(tmp_path / "out" / source.name)
    assert first.outputs[0].text == "so far\n"
