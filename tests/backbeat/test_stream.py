from __future__ import annotations

from backbeat.cli import application
from backbeat.stream import stream, worker_command


def test_a_worker_that_is_started_again_keeps_its_name_and_what_it_was_asked() -> None:
    arguments = worker_command("taste", "here", 9_101, 5_000)[3:]
    command, bound, _ = application().parse_args(arguments)
    assert command is stream
    assert bound.args == ("taste",)
    assert bound.kwargs == {"worker": "here", "metrics_port": 9_101, "rows_kept": 5_000}
