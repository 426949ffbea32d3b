"""The documentation as one page of plain HTML, made from the OpenAPI document: it needs no script and no other host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import msgspec

from serving.problems import MAX_BODY_BYTES

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c28}
h2{margin-top:2.5rem;border-bottom:2px solid #e4e4ee}
section{margin:1.5rem 0;padding:.2rem 1rem;border:1px solid #e4e4ee;border-radius:8px}
code,b.method{font-family:ui-monospace,monospace}b.method{display:inline-block;min-width:4rem;color:#3d3dc4}
pre{overflow-x:auto;padding:.5rem;background:#f4f4fa}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #f0f0f6}
@media(prefers-color-scheme:dark){body{background:#14141c;color:#e6e6f0}
section,h2,td,th{border-color:#33334a}pre{background:#20202c}b.method{color:#9d9dff}a{color:#9d9dff}}
"""
_CODE = re.compile(r"`([^`]+)`")
PROBLEMS = {
    "invalid-request": "Something in the request is out of bounds; `errors` names each place.",
    "token-refused": "A secret is set, and the request carries no valid token.",
    "another-listener": "The token is signed for another listener.",
    "not-found": "There is no such path.",
    "unknown-track": "Neither the catalog nor the model knows the track.",
    "method-not-allowed": "The path does not take this method.",
    "request-timeout": "The body did not come in time: ten seconds, and one more for each 64 KiB of it.",
    "stale-cursor": "A new model was published since the first page. Begin again without a cursor.",
    "request-entity-too-large": f"The body is larger than {MAX_BODY_BYTES >> 20} MiB.",
    "unsupported-media-type": "A body is JSON, not encoded, and its Content-Type says so.",
    "misdirected-request": "No secret is set, and the Host header is not a name of this machine.",
    "log-unavailable": "The event log did not say yes in time. Send it again after Retry-After: it counts once.",
    "rows-unavailable": "The rows store is away, or a row is broken and named. Ask again after Retry-After.",
    "busy": "Too many large bodies are being read at once. Send it again after Retry-After.",
    "internal-server-error": "A failure of our own, which was logged.",
}


def page(document: bytes) -> bytes:
    """The page for an OpenAPI document in JSON."""
    api = msgspec.json.decode(document)
    return "".join(_parts(api)).encode()


def _parts(api: Mapping[str, Any]) -> Iterator[str]:
    title = escape(api["info"]["title"])
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
    yield f"<h1>{title} {escape(api['info']['version'])}</h1><p>{escape(api['info'].get('description', ''))}</p>"
    yield '<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>'
    for tag, operations in _by_tag(api).items():
        yield f"<h2>{escape(tag.capitalize())}</h2>"
        for method, path, operation in operations:
            yield from _operation(method, path, operation)
    yield "<h2>Schemas</h2>"
    for name, schema in sorted(api["components"]["schemas"].items()):
        yield from _schema(name, schema)
    yield "<h2>Problems</h2><table>"
    for name, meaning in PROBLEMS.items():
        yield f'<tr id="problem-{name}"><td><code>{name}</code><td>{_text(meaning)}'
    yield "</table></html>"


def _by_tag(api: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Any]]]:
    tagged: dict[str, list[tuple[str, str, Any]]] = {}
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            tagged.setdefault(operation.get("tags", ["other"])[0], []).append((method.upper(), path, operation))
    return tagged


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<section><h3><b class="method">{method}</b> <code>{escape(path)}</code></h3>'
    yield f"<p>{_text(operation.get('summary', ''))}. {_text(operation.get('description', ''))}</p>"
    if operation.get("parameters"):
        yield "<table><tr><th>parameter<th>in<th>type<th>meaning"
        for parameter in operation["parameters"]:
            kind = _type(parameter["schema"])
            meaning = _text(parameter.get("description", ""))
            yield f"<tr><td><code>{escape(parameter['name'])}</code><td>{parameter['in']}<td>{kind}<td>{meaning}"
        yield "</table>"
    if body := operation.get("requestBody"):
        yield f"<p>Body: {_content(body)}, such as</p>"
        yield from (f"<pre><code>{escape(_json(media['example']))}</code></pre>" for media in body["content"].values())
    yield "<table><tr><th>answer<th>meaning<th>document"
    for status, response in operation["responses"].items():
        yield f"<tr><td>{status}<td>{_text(response.get('description', ''))}<td>{_content(response)}"
    yield "</table></section>"


def _content(holder: Mapping[str, Any]) -> str:
    return ", ".join(_type(media["schema"]) for media in holder.get("content", {}).values() if "schema" in media)


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<section id="{escape(name)}"><h3>{escape(name)}</h3><p>{_text(schema.get("description", ""))}</p>'
    if "enum" in schema:
        yield f"<p>One of {', '.join(f'<code>{escape(str(one))}</code>' for one in schema['enum'])}</p>"
    yield "<table>"
    for field, kind in schema.get("properties", {}).items():
        required = "required" if field in schema.get("required", ()) else ""
        yield f"<tr><td><code>{escape(field)}</code><td>{_type(kind)}<td>{required}"
    yield "</table></section>"


def _text(told: str) -> str:
    """Words with their `code` in backticks, as HTML."""
    return _CODE.sub(r"<code>\1</code>", escape(told))


def _json(example: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(example), indent=2).decode()


def _type(schema: Mapping[str, Any]) -> str:
    """A type in a few words, a reference as a link to its section."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return " or ".join(_type(one) for one in schema[several])
    if "enum" in schema:
        return escape(", ".join(map(str, schema["enum"])))
    kind = schema.get("type", "any")
    kind = " or ".join(kind) if isinstance(kind, list) else kind
    return f"{kind} of {_type(schema['items'])}" if "items" in schema else escape(kind)
