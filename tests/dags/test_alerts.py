from __future__ import annotations

from types import SimpleNamespace

import pytest

from dags.alerts import tell_late, tell_runbook


def test_a_failed_step_logs_its_entry_of_the_runbook_and_how_to_go_on(caplog: pytest.LogCaptureFixture) -> None:
    tell_runbook({"task_instance": SimpleNamespace(task_id="core_plays")})
    named, means, _, mend, go_on = caplog.messages
    assert named == "core_plays failed, see docs/runbook.md#core_plays"
    assert means.startswith("  Means: the stale days")
    assert "`backbeat run daily --resume`" in mend
    assert "clear this task" in go_on


def test_a_late_run_is_named_with_its_plan_and_its_minutes(caplog: pytest.LogCaptureFixture) -> None:
    tell_late("daily", 390, {"dag_run": {"dag_run_id": "scheduled__2024-02-29"}})
    (line,) = caplog.messages
    assert "daily is late" in line
    assert "run scheduled__2024-02-29 is not done" in line
    assert "390 minutes" in line
