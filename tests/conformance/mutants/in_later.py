"""Mistakes in asynchronous requests and at /Me."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import orjson

from scimsrv.app import App
from scimsrv.asynchronous import Jobs
from scimsrv.errors import ScimError
from scimsrv.protocol import prefer
from scimsrv.protocol.request import answer_type
from scimsrv.protocol.response import Reply
from scimsrv.store.asynchronous import JobRecorder
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import Json, everywhere, headers, replace


def _at(end: str, made: Callable[[Any, Callable[[], Any]], Any]) -> None:
    """Answer requests whose path ends so, or has it before its last segment, by another function."""

    def responding(original: Any) -> Any:
        async def respond(self: Any, visit: Any, places: Any, connection: Any, headers_: Any, receive: Any) -> Reply:
            async def ask() -> Reply:
                reply: Reply = await original(self, visit, places, connection, headers_, receive)
                return reply

            path = connection["path"]
            if path.endswith(end) or path.rpartition("/")[0].endswith(end):
                reply: Reply = await made(connection, ask)
                return reply
            return await ask()

        return respond

    replace(App, "respond", responding)


@mutant
def me_is_nobody() -> None:
    """/Me answers everybody with an empty object, and creates nobody."""

    async def answer(connection: Any, _ask: Any) -> Reply:
        return Reply(201 if connection["method"] == "POST" else 200, b"{}")

    _at("/Me", answer)


def _accepted(edit: Callable[[Reply], Reply]) -> None:
    original = Jobs.accepted
    Jobs.accepted = staticmethod(lambda *args: edit(original(*args)))  # type: ignore[method-assign,assignment]


@mutant
def async_says_less() -> None:
    """The 202 does not say which preference was applied."""
    _accepted(lambda reply: headers(reply, Preference_Applied=None))


@mutant
def async_minds_accept() -> None:
    """A request is not taken from a client that accepts something else."""
    import scimsrv.preferring as preferring

    everywhere(preferring.media_type_of, lambda fields, _path: answer_type(fields.joined(b"accept")))


@mutant
def async_never_waits() -> None:
    """The time that a client would wait is not looked at."""
    original = prefer.preferences
    everywhere(original, lambda header: dataclasses.replace(original(header), wait=0))


@mutant
def async_names_another() -> None:
    """Set-Txn names another request."""
    _accepted(lambda reply: headers(reply, Set_Txn="x" * 32))


def _recorded(edit: Callable[[Json], Any]) -> None:
    def made(original: Callable[..., Json]) -> Callable[..., Json]:
        def document(self: JobRecorder, result: Any) -> Json:
            shown = original(self, result)
            edit(shown)
            return shown

        return document

    replace(JobRecorder, "document", made)


@mutant
def async_counts_from_one() -> None:
    """The results of a bulk request are counted from 1."""

    def edit(shown: Json) -> None:
        txn, colon, number = shown["txn"].partition(":")
        if colon:
            shown["txn"] = f"{txn}:{int(number) + 1}"

    _recorded(edit)


@mutant
def async_hides_errors() -> None:
    """The results of failures have no Error."""
    _recorded(lambda shown: shown.pop("response", None))


@mutant
def async_shows_everybody() -> None:
    """Who has no valid token sees that a request is there."""

    async def answer(_connection: Any, ask: Any) -> Reply:
        try:
            reply: Reply = await ask()
            return reply
        except ScimError:
            return Reply(200, orjson.dumps({"state": "finished"}))

    _at("/.requests", answer)
