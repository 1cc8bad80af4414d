"""The OpenAPI 3.1 document of the admin API, made from the table of routes and the models that check requests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from scimsrv import __version__
from scimsrv.admin.following import EVENT_STREAM
from scimsrv.admin.models import Problem
from scimsrv.admin.problems import PROBLEM_JSON
from scimsrv.admin.routes import PREFIX, Route

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_REF: Final = "#/components/schemas/{model}"

_WORDS: Final = {
    "tenant": "The tenant's slug.",
    "kid": "The short id of a token or a secret, its second part.",
    "client": "The client's id.",
    "trust": "The trust's id.",
    "urn": "The schema's URN.",
    "name": "The resource type's name.",
    "number": "The job's number.",
    "type": "The resource type, such as User.",
    "id": "The resource's id.",
    "issuer": "The id of the BadgeIssuer.",
    "thumbprint": "The key's RFC 7638 thumbprint.",
    "attribute": "The attribute, such as title or urn:…:User:department.",
}


def openapi(routes: Iterable[Route]) -> dict[str, Any]:
    """The document for these routes. Its server is the one that the document comes from, whatever that is called from outside."""
    table = tuple(routes)
    models = {model for route in table for model in (route.answer, route.body) if model is not None} | {Problem}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema([(model, "validation") for model in ordered], ref_template=_REF)
    paths: dict[str, Any] = {}
    for route in table:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "scimsrv admin API",
            "version": __version__,
            "description": "Tenants, their tokens, policies, schemas and indexes. Failures are problem documents (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "`scimsrv admin token create`"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": route.summary, "content": {route.media_type: {"schema": _reference(route.answer)}}}
    if route.versioned:
        answer["headers"] = {"ETag": {"description": "The version.", "schema": {"type": "string"}}}
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": f"Needs the scope {' or '.join(f'`{scope}`' for scope in route.scopes)}.",
        "parameters": list(_parameters(route)),
        "responses": {
            str(route.status): answer,
            "default": {"description": "The request failed.", "content": {PROBLEM_JSON: {"schema": _reference(Problem)}}},
        },
    }
    if route.body is not None:
        media_types = ("application/merge-patch+json", "application/json") if route.merges else ("application/json",)
        content = {media_type: {"schema": _reference(route.body)} for media_type in media_types}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _parameters(route: Route) -> Iterable[dict[str, Any]]:
    for name in _PARAMETER.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "description": _WORDS[name], "schema": {"type": "string"}}
    if route.query is not None:
        for name, schema in route.query.model_json_schema()["properties"].items():
            about = schema.pop("description", "")
            yield {"name": name, "in": "query", "required": False, "description": about, "schema": schema}
    if route.media_type == EVENT_STREAM:
        about = "The id of the last event that arrived: the stream goes on behind it."
        yield {"name": "Last-Event-ID", "in": "header", "required": False, "description": about, "schema": {"type": "string"}}
    if route.versioned and route.method != "GET":
        about = "Versions, as ETag gave them, of which it must have one."
        yield {"name": "If-Match", "in": "header", "required": False, "description": about, "schema": {"type": "string"}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}
