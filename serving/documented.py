"""The OpenAPI document: what Litestar derives from the routes, and the bodies that the routes read themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from serving.problems import MEDIA_TYPE, Problem

ACCEPTED = 202
_REFERENCE = "#/components/schemas/{name}"
_WHEN = {
    400: "The request is wrong; `errors` says where",
    401: "No valid token",
    403: "The token is another listener's",
    404: "There is no such track",
    408: "The body did not come in time",
    410: "The cursor is of a model that no longer answers",
    413: "The body is too large",
    415: "The Content-Type is not application/json, or the body is encoded",
    503: "A store is away; Retry-After says when to come back",
}


def problems(*statuses: int) -> Mapping[int, ResponseSpec]:
    """The problems that a route may answer with."""
    return {
        status: ResponseSpec(Problem, generate_examples=False, description=_WHEN[status], media_type=MEDIA_TYPE)
        for status in statuses
    }


def with_bodies(
    document: dict[str, Any], bodies: Mapping[str, type[msgspec.Struct]], examples: Mapping[str, Any]
) -> dict[str, Any]:
    """The document with a JSON request body for POST on each of these paths, and an example of it."""
    kinds = list(bodies.values())
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    document.setdefault("components", {}).setdefault("schemas", {}).update(components)
    for path, schema in zip(bodies, schemas, strict=True):
        media = {"schema": schema, "example": examples[path]}
        body = {"required": True, "content": {"application/json": media}}
        document["paths"][path]["post"]["requestBody"] = body
    return document


def with_token(document: dict[str, Any], open_paths: Sequence[str]) -> dict[str, Any]:
    """The document with the bearer token that all but `open_paths` ask for once a secret is set."""
    schemes = document["components"].setdefault("securitySchemes", {})
    schemes["listenerToken"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    for path, operations in document["paths"].items():
        if path not in open_paths:
            for operation in operations.values():
                operation["security"] = [{}, {"listenerToken": []}]
    return document
