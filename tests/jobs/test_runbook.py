from __future__ import annotations

from pathlib import Path

import pytest

from jobs.plan import PLANS
from jobs.runbook import DAMAGE, RUNBOOK, advice, entries, mending

STEPS = sorted({step.name for plan in PLANS.values() for step in plan.steps})


def test_the_runbook_has_each_step_once_and_no_other() -> None:
    headings = [line.removeprefix("### ") for line in RUNBOOK.read_text().splitlines() if line.startswith("### ")]
    assert sorted(headings) == ["A damaged file", *STEPS]


@pytest.mark.parametrize("step", [DAMAGE, *STEPS])
def test_an_entry_says_what_failed_how_to_see_it_and_a_command_that_mends_it(step: str) -> None:
    means, see, mend, *_ = entries(RUNBOOK.read_text())[step]
    assert (means[:9], see[:7], mend[:8]) == ("  Means: ", "  See: ", "  Mend: ")
    assert "`backbeat " in mend


def test_advice_names_the_entry_and_tells_each_point_on_a_line(tmp_path: Path) -> None:
    runbook = tmp_path / "runbook.md"
    runbook.write_text(
        "# Runbook\n\nPreface.\n\n### one\n\n- Means: it is\n  broken.\n- Mend: mend it.\n\n## Part\n\nWords.\n"
    )
    assert advice("one", runbook).splitlines() == [
        "one failed, see docs/runbook.md#one",
        "  Means: it is broken.",
        "  Mend: mend it.",
    ]


def test_what_mends_a_table_is_by_what_it_is_made_of() -> None:
    assert mending("core.plays", "/x", ["2026-06-30", "2026-06-01"]).endswith("--reopen 2026-06-01..2026-06-30")
    assert mending("core.catalog", "/a lake", []) == "rm -r '/a lake' && backbeat run"
    assert mending("raw.plays", "/x", ["2026-06-30"]).startswith("restoring the file")


def test_a_step_without_an_entry_is_said_to_have_none(tmp_path: Path) -> None:
    runbook = tmp_path / "runbook.md"
    none = "two failed, see docs/runbook.md#two\n  there is no such entry"
    assert advice("two", runbook) == none
    runbook.write_text("# Runbook\n")
    assert advice("two", runbook) == none
