"""`backbeat models`: what was published, how recommendations differ between two versions, and going back to one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cyclopts import App

from backbeat.output import BadUsage, CommandFailed, Flag, console, emit, notice, table
from backbeat.settings import Settings
from backbeat.wiring import open_lake
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
    rows = [[*(model[column] for column in columns), "broken" if model["broken"] else "whole"] for model in models]
    console().print(table("models", [*(column.replace("_", " ") for column in columns), "files"], rows))
    for model in models:
        if model["broken"]:
            mend = f"; mend with `{registry.mending(model['version'])}`" if model["served"] else ""
            notice(f"{model['broken']}{mend}")


@app.command
def diff(a: str | None = None, b: str | None = None, /, *, json: Flag = False) -> None:
    """How two versions differ: catalogs, configurations, metrics, and what they recommend.

    Args:
        a: A version; without one, the last two are compared.
        b: Another one; without one, the served one.
        json: One JSON document on one line.
    """
    registry = _registry()
    try:
        a, b = _two(registry, a, b)
        document = difference(registry, a, b)
    except (NoSuchVersion, ModelBroken) as error:
        raise CommandFailed(str(error)) from error
    if json:
        emit(document)
        return
    rows, segments = _changed(document["changed"])
    console().print(table(f"{a} and {b}", ["what", a, b], rows))
    if segments:
        notice(f"{segments:,} figures of segments of listeners differ too: --json has them.")
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
    from jobs.model_card import card_name, model_card  # draws: a list of models starts without what it needs

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


def _two(registry: Registry, a: str | None, b: str | None) -> tuple[str, str]:
    """The versions that are meant. Raises `CommandFailed` where there are not two."""
    versions = registry.versions()
    if a is None:
        if len(versions) < 2:  # two are compared
            raise CommandFailed(f"comparing the last two models: found {len(versions)}; `backbeat run` publishes one")
        return versions[-2], versions[-1]
    served = b or registry.published()
    if served is None or served == a:
        raise CommandFailed(f"comparing {a} with what is served: found {served or 'nothing'}; name another version")
    return a, served


def _changed(changed: dict[str, Any]) -> tuple[list[tuple[object, ...]], int]:
    """What differs, lists rounded, and how many figures of segments beside it."""
    whole = {name: values for name, values in changed.items() if ".segments." not in name}
    return [(name, *map(_short, values)) for name, values in whole.items()], len(changed) - len(whole)


def _short(value: object) -> object:
    """A list with its numbers rounded as those of a table are; anything else as it is."""
    if isinstance(value, list):
        return ", ".join(f"{part:.4g}" if isinstance(part, float) else str(part) for part in value)
    return value


def _registry() -> Registry:
    settings = Settings.from_environment()
    return Registry(settings.home.models, settings.keep_models)


def _listed(registry: Registry, version: str, served: bool) -> dict[str, Any]:
    """A version's row; one that cannot be loaded, as of an older format or damaged, says why in `broken`."""
    row: dict[str, Any] = {"version": version, "served": served}
    try:
        manifest = registry.checked_manifest(version)
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
