from __future__ import annotations

from types import SimpleNamespace

import pytest

from dags.alerts import tell_late, tell_runbook


def test_a_failed_step_logs_its_line_of_the_runbook(caplog: pytest.LogCaptureFixture) -> None:
    tell_runbook({"task_instance": SimpleNamespace(task_id="core_plays")})
    (line,) = caplog.messages
    assert line.startswith("core_plays failed: Means: ")
    assert "`backbeat run daily --resume`" in line
    assert line.endswith("(docs/runbook.md#core_plays)")


def test_a_late_run_is_named_with_its_plan_and_its_minutes(caplog: pytest.LogCaptureFixture) -> None:
    tell_late("daily", 390, {"dag_run": {"dag_run_id": "scheduled__2024-02-29"}})
    (line,) = caplog.messages
    assert "daily is late" in line
    assert "run scheduled__2024-02-29 is not done" in line
    assert "390 minutes" in line
