"""`backbeat stream`: the workers that keep up with Kafka, a process a feature, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated

from cyclopts import Parameter

from backbeat.output import BadUsage, notice
from backbeat.settings import Settings
from backbeat.wiring import open_lake, open_log, open_rows
from streaming.features import FEATURES
from streaming.mover import ROWS_KEPT
from streaming.workers.meter import Meter, serve_metrics
from streaming.workers.sink import SINK, LakeSink
from warehouse.stores.kafka_log import KafkaLog
from warehouse.stores.log import now_ms

RESTART_SECONDS = 0.5
STOP_SECONDS = 10.0
EVERY_FEATURE = (*FEATURES, SINK)


def stream(
    *features: str,
    worker: str | None = None,
    metrics_port: int = 0,
    rows_kept: Annotated[int, Parameter(show=False)] = ROWS_KEPT,
) -> None:
    """Run stream workers until Ctrl-C: all features, each in a process that is started again when it dies; or one.

    Args:
        features: taste, trending, outcomes, sink; all by default.
        worker: A name for the process, where several of one feature share its partitions; by default its pid. Processes
            that are started again keep theirs.
        metrics_port: Prometheus metrics on 127.0.0.1 at this port, of several features at it and those after it;
            0 for none.
        rows_kept: Rows that a worker keeps in memory at most.
    """
    settings = Settings.from_environment()
    if unknown := [name for name in features if name not in EVERY_FEATURE]:
        raise BadUsage(f"no feature {', '.join(unknown)}; there are {', '.join(EVERY_FEATURE)}")
    log = open_log(settings)
    if not isinstance(log, KafkaLog):
        wanted = "set BACKBEAT_LOG=kafka://HOST:PORT (`backbeat stack up` starts one)"
        raise BadUsage(f"BACKBEAT_LOG is {settings.log}, which the API folds itself; {wanted}")
    name = worker or str(os.getpid())
    if len(features) != 1:
        log.close()  # each process has its own
        commands = {
            feature: worker_command(feature, name, metrics_port and metrics_port + place, rows_kept)
            for place, feature in enumerate(dict.fromkeys(features or EVERY_FEATURE))
        }
        _supervise(commands, metrics_port)
    elif features[0] == SINK:
        _run_sink(settings, log, name, metrics_port)
    else:
        _run_one(features[0], settings, log, name, metrics_port, rows_kept)


def _run_one(feature: str, settings: Settings, log: KafkaLog, worker: str, metrics_port: int, rows_kept: int) -> None:
    from streaming.workers.app import WorkerConfig
    from streaming.workers.run import run_worker
    from streaming.workers.standstill import watch

    rows = open_rows(settings)
    folder = settings.home.root / "stream" / feature / worker
    log.make(FEATURES[feature].topics)
    watch(FEATURES[feature], log, rows)
    config = WorkerConfig(log.bootstrap, folder, worker, metrics_port, rows_kept=rows_kept)
    run_worker(FEATURES[feature], rows, config, now_ms)


def _run_sink(settings: Settings, log: KafkaLog, worker: str, metrics_port: int) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    rows = open_rows(settings)
    meter = Meter(rows, worker, now_ms)
    serve_metrics(meter.registry, metrics_port)
    LakeSink(open_lake(settings), log, meter).run(stop)
    log.close()
    rows.close()


def worker_command(feature: str, worker: str, metrics_port: int, rows_kept: int) -> list[str]:
    """What starts the worker of one feature, now and after each of its deaths.

    It keeps its name, and with it its row and its folder: a new one a death would be left behind each time.
    """
    command = [sys.executable, "-m", "backbeat", "stream", feature, "--worker", worker]
    return [*command, "--metrics-port", str(metrics_port), "--rows-kept", str(rows_kept)]


def _supervise(commands: Mapping[str, Sequence[str]], metrics_port: int) -> None:
    """Start a process for each feature, and start again those that end, until SIGINT or SIGTERM."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for feature, command in commands.items():
            running[feature] = _started(command)
        if metrics_port:
            ports = enumerate(commands, metrics_port)
            notice(", ".join(f"{feature}: http://127.0.0.1:{port}/metrics" for port, feature in ports))
        notice(f"Streaming {', '.join(commands)}. Ctrl-C stops it.")
        while not stopping:
            time.sleep(RESTART_SECONDS)
            for feature, process in running.items():
                if not stopping and (code := process.poll()) is not None:
                    notice(f"backbeat: the worker of {feature} ended with status {code}; starting it again")
                    running[feature] = _started(commands[feature])
    finally:
        _stopped(list(running.values()))


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """In a group of its own, so that Ctrl-C reaches this process alone, which then stops them in turn."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)


def _stopped(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
