"""What mutants are made with: putting functions in the place of others, and editing what a server says on its way out."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from scimsrv.protocol import discovery
from scimsrv.protocol import response as response_module
from scimsrv.protocol.plan import Page
from scimsrv.protocol.response import Renderer, Reply
from scimsrv.schema.attribute import Type
from scimsrv.schema.semantics import SEMANTICS

Json = Any


def replace(owner: Any, name: str, made: Callable[[Any], Any]) -> None:
    """Put `made(original)` in the place of a module's or class's own attribute. Raises KeyError for a name that it does not have."""
    original = owner.__dict__[name]
    if isinstance(original, staticmethod):
        setattr(owner, name, staticmethod(made(original.__func__)))
    elif isinstance(original, property):
        setattr(owner, name, property(made(original.fget)))
    else:
        setattr(owner, name, made(original))


def everywhere(original: Any, replacement: Any) -> None:
    """Put an object in the place of another in every module of scimsrv that knows it. Raises ValueError when none does."""
    found = False
    for module_name, module in list(sys.modules.items()):
        if module_name == "scimsrv" or module_name.startswith("scimsrv."):
            for name, value in list(vars(module).items()):
                if value is original:
                    setattr(module, name, replacement)
                    found = True
    if not found:
        raise ValueError(f"{original!r} is in no module of scimsrv")


def instead(owner: Any, name: str, value: Any) -> None:
    """Put another value in the place of a module's own attribute. Raises KeyError for a name that it does not have."""
    replace(owner, name, lambda _: value)


def rule(type_: Type, **changes: Any) -> None:
    """Change the meaning of one attribute type."""
    SEMANTICS[type_] = dataclasses.replace(SEMANTICS[type_], **changes)


def sql(module: Any, statement: str, old: str, new: str) -> None:
    """Change the text of a named statement as the module uses it. Raises ValueError when the old text is not in it."""
    texts: Mapping[str, str] = module._SQL
    if old not in texts[statement]:
        raise ValueError(f"{statement} has no {old!r}")
    module._SQL = {**texts, statement: texts[statement].replace(old, new)}


async def one(pool: Any, query: str, *args: Any) -> Any:
    """The first value that a statement returns, None when it returns no row."""
    row = await pool.fetchrow(query, *args)
    return None if row is None else row[0]


def answer(edit: Callable[[Any, Reply], Reply]) -> None:
    """Edit the reply to every request that succeeds; `edit` gets the outcome and the reply."""

    def made(original: Callable[[Renderer, Any], Reply]) -> Callable[[Renderer, Any], Reply]:
        return lambda self, outcome: edit(outcome, original(self, outcome))

    replace(Renderer, "reply", made)


def headers(reply: Reply, **changes: str | None) -> Reply:
    """The reply with headers set, or left out when None; an underscore stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    kept = {name: value for name, value in reply.headers.items() if name.lower() not in {other.lower() for other in named}}
    return dataclasses.replace(reply, headers=kept | {name: value for name, value in named.items() if value is not None})


def shown(edit: Callable[[Json], Json | None]) -> None:
    """Edit every representation of a resource; `edit` changes the object, or returns another."""

    def made(original: Callable[..., tuple[str, bytes]]) -> Callable[..., tuple[str, bytes]]:
        def represented(self: Renderer, *args: Any) -> tuple[str, bytes]:
            tag, whole = original(self, *args)
            document = orjson.loads(whole)
            edited = edit(document)
            return tag, orjson.dumps(document if edited is None else edited)

        return represented

    replace(Renderer, "_represented", made)


def listed(edit: Callable[[Json], Json | None]) -> None:
    """Edit the message of every list of resources."""

    def made(original: Callable[..., bytes]) -> Callable[..., bytes]:
        def page(self: Renderer, outcome: Page) -> bytes:
            message = orjson.loads(original(self, outcome))
            edited = edit(message)
            return orjson.dumps(message if edited is None else edited)

        return page

    replace(Renderer, "_page", made)


def refused(edit: Callable[[Any, Reply], Reply]) -> None:
    """Edit the reply to every request that fails; `edit` gets the error."""
    original = response_module.refusal
    everywhere(original, lambda error, request_id: edit(error, original(error, request_id)))


def refused_body(edit: Callable[[Json], Json | None]) -> None:
    """Edit the body of every error."""

    def changed(_error: Any, reply: Reply) -> Reply:
        assert isinstance(reply.body, bytes)
        body = orjson.loads(reply.body)
        edited = edit(body)
        return dataclasses.replace(reply, body=orjson.dumps(body if edited is None else edited))

    refused(changed)


def described(function: str, edit: Callable[[Json], Json | None]) -> None:
    """Edit what a function of discovery makes: `schema_document`, `resource_type_document`, `service_provider_config`, …"""

    def made(original: Callable[..., Json]) -> Callable[..., Json]:
        def changed(*args: Any) -> Json:
            document = orjson.loads(orjson.dumps(original(*args)))
            if document is None:
                return None
            edited = edit(document)
            return document if edited is None else edited

        return changed

    replace(discovery, function, made)


def definitions(edit: Callable[[Json], None]) -> None:
    """Edit every attribute and sub-attribute as /Schemas shows it."""

    def each(document: Json) -> None:
        for attribute in document["attributes"]:
            edit(attribute)
            for sub in attribute.get("subAttributes", ()):
                edit(sub)

    described("schema_document", each)
