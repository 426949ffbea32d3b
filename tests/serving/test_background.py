from __future__ import annotations

import threading

import pytest

from serving.service.background import Repeated


def test_work_that_fails_is_logged_and_done_again(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []
    again = threading.Event()

    def work() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("the first time")
        again.set()

    repeated = Repeated("model-watcher", 0.001, work)
    repeated.start()
    assert again.wait(30)
    repeated.stop()
    assert "model-watcher failed, and goes on" in caplog.text
    assert "the first time" in caplog.text
