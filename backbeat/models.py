"""`backbeat models`: what was published, how recommendations differ between two versions, and going back to one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cyclopts import App

from backbeat.output import BadUsage, CommandFailed, Flag, console, emit, notice, table
from backbeat.settings import Settings
from backbeat.wiring import open_lake
from jobs.model_card import card_name, model_card
from models.artifact import ArtifactBroken, artifact_sha256
from models.base import ModelBroken
from models.differences import LISTED, difference
from models.registry import NoSuchVersion, Registry
from warehouse.stores.lake import NoSuchTable

app = App(name="models", help="Published models.")


@app.command(name="list")
def list_models(*, json: Flag = False) -> None:
    """Every version that is kept, the one that is served marked.

    Args:
        json: One JSON document on one line.
    """
    registry = _registry()
    try:
        published = registry.published()
        models = [_listed(registry, version, version == published) for version in registry.versions()]
    except (NoSuchVersion, ModelBroken) as error:
        raise CommandFailed(str(error)) from error
    if json:
        emit({"published": published, "models": models})
        return
    columns = ["version", "served", "as_of", "tracks", "artifact_sha256"]
    rows = [[model[column] for column in columns] for model in models]
    console().print(table("models", [column.replace("_", " ") for column in columns], rows))
    for model in models:
        if model["broken"]:
            notice(model["broken"])


@app.command
def diff(a: str, b: str, /, *, json: Flag = False) -> None:
    """How two versions differ: catalogs, configurations, metrics, and what they recommend.

    Args:
        a: A version.
        b: Another one.
        json: One JSON document on one line.
    """
    registry = _registry()
    try:
        document = difference(registry, a, b)
    except (NoSuchVersion, ModelBroken) as error:
        raise CommandFailed(str(error)) from error
    if json:
        emit(document)
        return
    rows = [(name, values[0], values[1]) for name, values in document["changed"].items()]
    console().print(table(f"{a} and {b}", ["what", a, b], rows))
    notice(
        f"{document['tracks_added']:,} tracks came, {document['tracks_gone']:,} went. Of the top {LISTED} popular "
        f"tracks {document['popular_shared']:.0%} are shared, of their nearest ten {document['similar_shared']:.0%}."
    )


@app.command
def card(version: str | None = None, /, *, out: Path | None = None) -> None:
    """Write the card of a version, an HTML page: its data, how good it is and to whom, examples, what has changed.

    Args:
        version: Which one; the served one by default.
        out: Where to; by default into BACKBEAT_HOME/reports.
    """
    settings = Settings.from_environment()
    registry = _registry()
    try:
        told = version or registry.published()
        if told is None:
            raise CommandFailed(
                f"looking for a published model in {registry.root}: found none; `backbeat run` makes it"
            )
        page = model_card(open_lake(settings), registry, told)
    except (NoSuchVersion, ModelBroken, NoSuchTable) as error:
        raise CommandFailed(str(error)) from error
    target = out or settings.home.reports / card_name(told)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    notice(f"wrote {target}")


@app.command
def rollback(version: str | None = None, /, *, json: Flag = False) -> None:
    """Serve an earlier version; the API takes it over within a second.

    Args:
        version: Which one; the one before the served one by default.
        json: One JSON document on one line.
    """
    if version == "":
        raise BadUsage("the version has no name; leave it out for the one before the served one")
    try:
        target = _registry().rollback(version)
    except (NoSuchVersion, ModelBroken) as error:
        raise CommandFailed(str(error)) from error
    if json:
        emit({"published": target})
    else:
        notice(f"{target} is published again.")


def _registry() -> Registry:
    settings = Settings.from_environment()
    return Registry(settings.home.models, settings.keep_models)


def _listed(registry: Registry, version: str, served: bool) -> dict[str, Any]:
    """A version's row; one that cannot be read, as of an older format, says why in `broken`."""
    row: dict[str, Any] = {"version": version, "served": served}
    try:
        manifest = registry.manifest(version)
    except ArtifactBroken as error:
        unknown = dict.fromkeys(("as_of", "tracks", "artifact_sha256", "metrics", "counts"))
        return row | unknown | {"broken": str(error)}
    return row | {
        "as_of": manifest["as_of"],
        "tracks": manifest["tracks"],
        "artifact_sha256": artifact_sha256(registry.folder(version)),
        "metrics": manifest["metrics"],
        "counts": manifest["counts"],
        "broken": None,
    }
