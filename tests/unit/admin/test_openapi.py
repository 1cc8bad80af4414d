"""The OpenAPI document: every route and every model is in it, and it is one by the rules of OpenAPI 3.1."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from pydantic import BaseModel

from scimsrv.admin import activity_models, badge_models, granting_models, models
from scimsrv.admin.openapi import openapi
from scimsrv.admin.routes import PREFIX, ROUTES, Route
from scimsrv.schema.policy import policy_schema

DOCUMENT = openapi(ROUTES)

#: Models that others are made of, or that stand for the parameters of a query.
_NOT_BODIES = {
    models.Model,
    models.Page,
    activity_models.ActivityFilter,
    activity_models.ActivityPage,
    activity_models.ActivityFollow,
} | {route.query for route in ROUTES if route.query is not None}


def _operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][PREFIX + route.path][route.method.lower()]
    return found


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            yield path, operation


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _parts(part)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_is_in_it(route: Route) -> None:
    """Method, path, body, answer, parameters and status of each route are described as the route has them."""
    operation = _operation(route)
    assert operation["operationId"] == route.name
    answer = operation["responses"][str(route.status)]
    assert (route.media_type == "application/json") is (route.lines is None)
    assert answer["content"][route.media_type]["schema"] == {"$ref": f"#/components/schemas/{route.answer.__name__}"}
    assert ("ETag" in answer.get("headers", {})) is route.versioned
    body: dict[str, Any] = operation.get("requestBody", {})
    if route.body is None:
        assert body == {}
    else:
        assert body["required"] is True
        assert {content["schema"]["$ref"] for content in body["content"].values()} == {f"#/components/schemas/{route.body.__name__}"}
        assert ("application/merge-patch+json" in body["content"]) is route.merges
    query = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
    assert query == (set() if route.query is None else set(route.query.model_fields))


def test_nothing_else_is_in_it() -> None:
    """There are as many operations as routes, and every operation has a name of its own."""
    names = [operation["operationId"] for _, operation in _operations()]
    assert sorted(names) == sorted(route.name for route in ROUTES)
    assert len(names) == len(set(names))


def test_every_model_is_in_it() -> None:
    """Each model of the API is a component with its members; the parameters of queries are described where they are used."""
    modules = (models, activity_models, granting_models, badge_models)
    made = {one for module in modules for _, one in inspect.getmembers(module, inspect.isclass) if issubclass(one, BaseModel)}
    made = {one for one in made if one.__module__ in {module.__name__ for module in modules} and "[" not in one.__name__}
    components = DOCUMENT["components"]["schemas"]
    assert components.keys() == {one.__name__ for one in made - _NOT_BODIES}
    for one in made - _NOT_BODIES:
        if "root" not in one.model_fields:
            assert components[one.__name__]["properties"].keys() == one.model_fields.keys()
    assert components["Policy"]["properties"].keys() == policy_schema()["properties"].keys()


def test_every_reference_leads_somewhere() -> None:
    """Each $ref names a component that is there, and each component is referred to."""
    referred = {part["$ref"] for part in _parts(DOCUMENT) if "$ref" in part}
    assert referred == {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}


def test_it_keeps_to_the_rules() -> None:
    """What OpenAPI 3.1 demands of a document: the fields that must be there, parameters of a path exactly once, statuses that exist."""
    assert re.fullmatch(r"3\.1\.\d+", DOCUMENT["openapi"])
    assert DOCUMENT["info"].keys() >= {"title", "version"}
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/"]
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert all(schemes[name]["type"] == "http" for need in DOCUMENT["security"] for name in need)
    for path, operation in _operations():
        assert path.startswith("/")
        places = [(one["in"], one["name"]) for one in operation["parameters"]]
        assert len(places) == len(set(places))
        assert {name for place, name in places if place == "path"} == set(re.findall(r"\{(\w+)\}", path))
        for one in operation["parameters"]:
            assert one["in"] in {"path", "query", "header"}
            assert one["required"] is (one["in"] == "path")
            assert one["schema"]
            assert one["description"]
        for status, answer in operation["responses"].items():
            assert status == "default" or HTTPStatus(int(status))
            assert answer["description"]
    for component in DOCUMENT["components"]["schemas"].values():
        assert component["description"]
    assert not [part for part in _parts(DOCUMENT) if "$defs" in part or "definitions" in part or "nullable" in part]
