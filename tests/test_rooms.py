"""The rooms of the house: what may import what, that their names are ours alone, and what the API leaves unloaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
ROOMS = ("backbeat", "dags", "jobs", "models", "serving", "streaming", "warehouse")
BESIDE = ("bench", "deploy", "drills", "notebooks", "tests")
SCHEDULER = {"airflow", "pendulum"}
READ_BY_DAGS = {"jobs.plan", "jobs.runbook"}
ENGINES = {"pyspark", "py4j", "faust", "pandas", "implicit", "jgo"}
LEARNERS = {"jax", "flax", "optax", "lightgbm", "numba", "optuna", "mlflow"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def loaded_by(statement: str) -> set[str]:
    told = f"{statement}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-c", told], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_every_room_imports_only_what_it_may() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([lint, "--no-logo", "--no-cache"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_every_room_is_under_the_contracts() -> None:
    text = (CHECKOUT / ".importlinter").read_text(encoding="utf-8")
    listed = set(text.partition("root_packages =")[2].partition("include_")[0].split())
    assert listed == {*ROOMS, *BESIDE} - {"dags", "tests"}  # dags runs in another environment, tests may all


def test_dags_know_the_scheduler_and_the_plan_alone() -> None:
    for path in sorted((CHECKOUT / "dags").glob("*.py")):
        foreign = {name for name in imported(path) if name.partition(".")[0] not in sys.stdlib_module_names}
        others = {name for name in foreign if name.partition(".")[0] not in SCHEDULER | {"dags"}}
        assert others <= READ_BY_DAGS, path.name


@pytest.mark.parametrize("room", [*ROOMS, *BESIDE])
def test_no_dependency_installs_a_package_of_our_name(room: str) -> None:
    assert set(packages_distributions().get(room, ())) <= {"backbeat"}


@pytest.mark.parametrize("module", ["serving.app", "backbeat.serve"])
def test_the_api_loads_neither_spark_nor_faust_nor_a_learner(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert module.partition(".")[0] in loaded
    assert not loaded & (ENGINES | LEARNERS)


@pytest.mark.parametrize("log", ["sqlite", "kafka://127.0.0.1:1"])
def test_an_api_that_is_open_has_loaded_neither_spark_nor_faust_nor_a_learner(log: str, tmp_path: Path) -> None:
    settings = f"Settings.from_environment({ {'BACKBEAT_HOME': str(tmp_path), 'BACKBEAT_LOG': log} })"
    imports = "from backbeat.serve import opened_api; from backbeat.settings import Settings"
    loaded = loaded_by(f"{imports}; opened_api({settings}).__enter__()")
    assert ("confluent_kafka" in loaded) == (log != "sqlite")
    assert not loaded & (ENGINES | LEARNERS | {"aiokafka"})


@pytest.mark.parametrize("module", ["jobs.plan", "jobs.runbook", "jobs.java"])
def test_what_bare_environments_read_is_standard_library(module: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); import {module}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_a_command_starts_without_the_others() -> None:
    loaded = loaded_by("from backbeat.cli import application; application()")
    assert not loaded & {"pyspark", "litestar", "duckdb", "numpy", "pyarrow"}
