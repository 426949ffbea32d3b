"""`backbeat stack`: the real servers of this machine. They stay up after the command, until they are taken down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any

from cyclopts import App, Parameter

from backbeat.output import BadUsage, CommandFailed, Flag, console, emit, notice, table
from backbeat.settings import SettingError, Settings, named_ports
from deploy.local import detached
from deploy.local.detached import Place, State
from deploy.local.servers import SERVERS, STREAM
from deploy.local.service import NotInstalled, ServiceFailed

app = App(name="stack", help="Real servers on this machine, on 127.0.0.1.")


@app.command
def up(*services: str, port: Annotated[list[str], Parameter(negative=())] | None = None) -> None:
    """Start servers, installed first where they are not here, and print the settings that lead to them.

    What runs already stays as it is. Where one cannot be started, those that this command started are stopped.

    Args:
        services: Their names; kafka and valkey by default.
        port: SERVICE=PORT, another than BACKBEAT_STACK_PORTS or the usual one; once a service.
    """
    settings = Settings.from_environment()
    places, ports = _places(settings, services or STREAM), _ports(settings, port or [])
    exports: dict[str, str] = {}
    with _told_as_failure(), ExitStack() as undo:
        for place in places:
            if not place.service.installed():
                place.service.install()
        for place in places:
            address = _up(place, ports.get(place.service.name, place.service.default_port), undo)
            exports |= place.service.settings(address)
        undo.pop_all()
    words = " ".join(f"{variable}={value}" for variable, value in exports.items())
    console().print(f"export {words}", markup=False, soft_wrap=True)


@app.command
def status(*, json: Flag = False) -> None:
    """Every server that can be started: how it is, where it listens, and where its data and its log are.

    Args:
        json: One JSON document on one line.
    """
    services = [_seen(place) for place in _places(Settings.from_environment(), SERVERS)]
    if json:
        emit({"services": services})
        return
    columns = ["service", "state", "address", "pid", "data", "log"]
    rows = [[told[column] and str(told[column]) for column in columns] for told in services]  # a pid has no commas
    console().print(table("servers", columns, rows))


@app.command
def down(*services: str) -> None:
    """Stop servers, and return when they are gone. What they stored stays.

    Args:
        services: Their names; all by default.
    """
    with _told_as_failure():
        stopped = [_down(place) for place in _places(Settings.from_environment(), services or SERVERS)]
    if not any(stopped):
        notice("Nothing was running.")


def _up(place: Place, port: int, undo: ExitStack) -> str:
    """Start one; its address."""
    name = place.service.name
    if detached.look(place)[0] is not State.RUNNING:
        notice(f"Starting {name}; its log is {place.log_path}")
    server, is_new = detached.start(place, port)
    if is_new:
        undo.callback(detached.stop, place)
    notice(f"{name} {'listens' if is_new else 'is running already'} at {server.address} (process {server.pid})")
    return server.address


def _down(place: Place) -> bool:
    """Stop one and say so; whether it was there."""
    stopped = detached.stop(place)
    if stopped is None:
        return False
    server, was_killed = stopped
    how = "killed, for it would not stop" if was_killed else "stopped"
    notice(f"{place.service.name} at {server.address} (process {server.pid}): {how}")
    return True


def _seen(place: Place) -> dict[str, Any]:
    state, server = detached.look(place)
    there = server if state is not State.DIED else None
    return {
        "service": place.service.name,
        "state": state,
        "address": there and there.address,
        "pid": there and there.pid,
        "settings": place.service.settings(there.address) if there else {},
        "data": str(place.data),
        "log": str(place.log_path),
    }


def _places(settings: Settings, names: Iterable[str]) -> list[Place]:
    """Where each of them is, in the order of their names. Raises `BadUsage` at a name that nothing has."""
    _known(names, "services")
    return [Place(settings.home.stack, SERVERS[name]) for name in dict.fromkeys(names)]


def _ports(settings: Settings, asked: Sequence[str]) -> Mapping[str, int]:
    """The ports that are set, and over them those that the command was asked for. Raises `BadUsage`."""
    try:
        ports = {**settings.stack_ports, **named_ports(",".join(asked), "--port")}
    except SettingError as error:
        raise BadUsage(str(error)) from error
    _known(ports, "ports")
    return ports


def _known(names: Iterable[str], of_what: str) -> None:
    if unknown := [name for name in names if name not in SERVERS]:
        raise BadUsage(f"stack: found {of_what} of {', '.join(unknown)}; wanted those of {', '.join(SERVERS)}")


@contextmanager
def _told_as_failure() -> Iterator[None]:
    try:
        yield
    except (NotInstalled, ServiceFailed) as error:
        raise CommandFailed(str(error)) from error
