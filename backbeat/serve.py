"""`backbeat serve`: the API in one process, over the stores that the settings name, until Ctrl-C."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from threadpoolctl import threadpool_limits

from backbeat.output import BadUsage, CommandFailed, notice
from backbeat.running_experiment import running_experiment
from backbeat.settings import LAST_PORT, Settings
from backbeat.wiring import open_lake, open_log, open_rows, open_stream
from models.registry import Registry
from serving.app import Api, ApiConfig, Stores, create_app
from serving.service.lake_charts import LakeCharts
from serving.service.lake_dead_letters import LakeDeadLetters
from streaming.embedded import OutOfStep
from warehouse.stores.log import LogUnavailable, now_ms
from warehouse.stores.rows import RowsUnavailable

BACKLOG = 1_024
CONNECTIONS = 4_096  # open at once; while there are so many, others wait in the backlog
OTHER_FILES = 512  # that stores, models and threads may have open beside them
HEADER_MS = 10_000  # for a request's headers, and for a connection to idle before the next
# After so many seconds a background thread that computes gives way to a request: Python's own 5 ms are a whole answer.
SWITCH_SECONDS = 0.0005
# An answer makes hundreds of objects and hardly a cycle. Python's own 700 would look for some several times an answer;
# looking through 20,000 takes as long as four answers, and keeps one waiting.
COLLECT_AFTER = (3_000, 5, 50)


def serve(*, host: str | None = None, port: int | None = None) -> None:
    """Serve the API until Ctrl-C.

    Args:
        host: Address to listen on; BACKBEAT_HOST by default. Another than this machine's own needs BACKBEAT_SECRET.
        port: Port to listen on; BACKBEAT_PORT by default, 0 for a free one.
    """
    if port is not None and not 0 <= port <= LAST_PORT:
        raise BadUsage(f"--port is {port}; wanted a whole number from 0 to {LAST_PORT}")
    settings = Settings.from_environment()
    address = host or settings.host
    if not settings.secret and not is_loopback(address):
        wanted = "set BACKBEAT_SECRET, so that listeners need tokens, or listen on 127.0.0.1"
        raise BadUsage(f"serving on {address} would let anybody read and write every listener; {wanted}")
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(*COLLECT_AFTER)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    with opened_api(settings) as api, threadpool_limits(1, "blas"):  # vectors are short: threads only wait
        uvloop.run(_served(api, address, _checked_port(address, settings.port if port is None else port)))


@contextmanager
def opened_api(settings: Settings) -> Iterator[Api]:
    """The API over the stores of these settings, which are closed after it. Raises `CommandFailed`."""
    try:
        rows, log = open_rows(settings), open_log(settings)
        stream = open_stream(settings, log, rows)
    except (RowsUnavailable, LogUnavailable, OutOfStep) as error:
        raise CommandFailed(f"cannot serve: {error}") from error
    models = Registry(settings.home.models, settings.keep_models)
    config = ApiConfig(secret=settings.secret, experiment=running_experiment(settings))
    charts, letters = LakeCharts(lambda: open_lake(settings)), LakeDeadLetters(lambda: open_lake(settings))
    stores = Stores(rows, stream, models, charts, letters)
    try:
        yield create_app(stores, clock=now_ms, config=config)
    finally:
        stream.close()
        log.close()
        rows.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _served(api: Api, host: str, port: int) -> None:
    server = Server(
        api,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=connections_granted(),
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MS),
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    gc.collect()
    gc.freeze()  # modules live as long as the process: the collector need not walk them again
    shown = f"[{host}]" if ":" in host else host
    notice(f"Backbeat listens on http://{shown}:{port} (documentation: http://{shown}:{port}/docs). Ctrl-C stops it.")
    await server.serve()
    notice("Backbeat has stopped; what it accepted is in the event log.")


def connections_granted() -> int:
    """How many connections may be open at once: `CONNECTIONS`, or as many as the system grants this process files for.

    The soft limit on files is raised as far as that takes, since a server without one cannot even refuse.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    granted = CONNECTIONS + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        granted = min(granted, hard)
    if soft != resource.RLIM_INFINITY and soft < granted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    return max(granted - OTHER_FILES, granted // 2)


def _checked_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises `CommandFailed` where it is taken: the server itself would not say so."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandFailed(f"listening on {host} port {port}: {error.strerror}; choose another --port") from error
        return int(probe.getsockname()[1])
