"""The name of the code: of a commit alone, or of a commit and what was changed since."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from backbeat.code_version import code_version, project_version


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "learner.py").write_text("one = 1\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "one"]):
        command = ["git", "-C", str(tmp_path), *words]
        subprocess.run(command, check=True)
    return tmp_path


def test_a_clean_checkout_is_called_by_its_commit(checkout: Path) -> None:
    assert "dirty" not in code_version(checkout)


def test_each_edit_has_a_name_of_its_own(checkout: Path) -> None:
    names = [code_version(checkout)]
    for value in (2, 3):
        (checkout / "learner.py").write_text(f"one = {value}\n")
        names.append(code_version(checkout))
    (checkout / "mine.py").write_text("new = 1\n")
    names.append(code_version(checkout))
    assert len(set(names)) == 4
    (checkout / "mine.py").unlink()
    assert code_version(checkout) == names[2]


def test_where_git_knows_nothing_it_is_the_version_of_the_project(tmp_path: Path) -> None:
    assert code_version(tmp_path) == project_version()
