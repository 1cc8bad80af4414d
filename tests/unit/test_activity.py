"""The log of recent requests, without a server: sentences, words for clients, and refusals without what the client wrote."""

from __future__ import annotations

import contextlib
import io
from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from scimsrv import assets
from scimsrv.activity.clients import CLIENTS, client_of
from scimsrv.activity.entry import Entry
from scimsrv.activity.reasons import DENIALS, OTHER_DENIAL, reason_of
from scimsrv.activity.redaction import LONGEST, without_values
from scimsrv.activity.sentences import sentence
from scimsrv.cli.common import emit, table
from scimsrv.http import Fields
from scimsrv.observe import Exchange
from scimsrv.observing import Served
from scimsrv.protocol.route import Endpoint, Route
from scimsrv.recording import entries

_NEWLINE: Final = "\\u000a"
_ID: Final = "0190f0a0-0000-7000-8000-000000000001"

_ENTRY: Final = Entry(
    *(1, datetime(2026, 1, 1, tzinfo=UTC), "r", None, None, "abcdef", "okta", "PATCH", "/Users/{id}", "patch", "User", "u1", 200, "ok"),
    *(None, None, None, 1.0, "update", 2, (), (), None, (), (), 0, 0),
)
_NAMES: Final = {"u1": "Ana Lima", "u2": "Ben", "u3": "Cyd", "u4": "Dee", "u5": "User 5", "g1": "Sales"}
_GROUP: Final = {"type": "Group", "resource": "g1", "route": "/Groups/{id}"}
_REFUSED: Final = {"changed": None, "version": None, "detail": "title is readOnly", "scim_type": "mutability", "reason": "mutability"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"op": "create", "changed": "create"}, "Okta created User Ana Lima"),
        ({"op": "create", "changed": "create", "resource": "u9"}, "Okta created User u9"),
        ({"op": "create", "changed": "create", "resource": "u5"}, "Okta created User User 5"),
        ({"op": "create", "changed": "restore"}, "Okta created Ana Lima, which was brought back"),
        ({"op": "create", "changed": None}, "Okta was told again that Ana Lima is created"),
        ({"op": "delete", "changed": "delete"}, "Okta deleted User Ana Lima"),
        ({"op": "delete", "changed": "delete", "resource": "u9"}, "Okta deleted User u9"),
        ({"attributes": ("title",)}, "Okta changed title of Ana Lima"),
        ({"attributes": ("a", "b", "c", "d", "e")}, "Okta changed a, b, c and 2 more of Ana Lima"),
        ({"attributes": ("schemas",)}, "Okta changed schemas of Ana Lima"),
        ({"attributes": ("urn:x:extension:hr:2.0:User", "schemas")}, "Okta changed the extension hr of Ana Lima"),
        ({"attributes": ("active",), "active": False}, "Okta deactivated Ana Lima"),
        ({"attributes": ("active", "title"), "active": True}, "Okta activated Ana Lima and changed title of Ana Lima"),
        ({"attributes": ("active",)}, "Okta changed active of Ana Lima"),
        ({"changed": None}, "Okta changed nothing of Ana Lima"),
        ({**_GROUP, "attributes": ("members",), "added": ("u1",), "number_added": 1}, "Okta added Ana Lima to Sales"),
        ({**_GROUP, "attributes": ("members",), "removed": ("u9",), "number_removed": 1}, "Okta removed u9 from Sales"),
        (
            {**_GROUP, "attributes": ("members", "displayName"), "added": ("u1", "u2", "u3", "u4"), "number_added": 40},
            "Okta added Ana Lima, Ben, Cyd and 37 more to Sales and changed displayName of Sales",
        ),
        ({**_GROUP, "attributes": ("members",)}, "Okta changed members of Sales"),
        ({"op": "read", "changed": None, "method": "GET"}, "Okta looked at Ana Lima"),
        ({"op": "search", "changed": None, "resource": None, "method": "GET"}, "Okta looked for Users"),
        ({"op": "search", "changed": None, "resource": None, "type": "all"}, "Okta looked for resources"),
        ({"op": None, "changed": None, "method": "GET", "route": "/Schemas"}, "Okta asked for GET /Schemas"),
        ({"status": 202, "changed": None}, "Okta asked for a change of Ana Lima, which is carried out later"),
        ({**_REFUSED, "status": 400}, "Okta was refused a change of Ana Lima: title is readOnly"),
        ({**_REFUSED, "status": 400, "op": "create", "resource": None}, "Okta was refused a new User: title is readOnly"),
        (
            {**_REFUSED, "status": 409, "op": "create", "scim_type": "uniqueness", "detail": "userName is already in use"},
            "Okta was refused a new User: userName is already in use (Ana Lima)",
        ),
        ({**_REFUSED, "status": 405, "op": None, "method": "PUT", "detail": None}, "Okta was refused PUT /Users/{id}: mutability"),
        ({**_REFUSED, "status": 401, "reason": "bearer_expired"}, "Okta was not let in: its token has expired"),
        ({**_REFUSED, "status": 403, "reason": "forbidden"}, "Okta was refused a change of Ana Lima: title is readOnly"),
        ({**_REFUSED, "status": 429, "detail": "Too many."}, "Okta was told to wait with a change of Ana Lima: Too many"),
        (
            {**_REFUSED, "status": 503, "detail": "The server cannot answer now"},
            "Okta could not be answered: a change of Ana Lima failed (The server cannot answer now)",
        ),
        ({**_REFUSED, "status": 499, "reason": "client_gone"}, "Okta went away before a change of Ana Lima was answered"),
    ],
)
def test_each_entry_is_a_sentence(given: dict[str, Any], said: str) -> None:
    """What was done, refused or never answered, with names where they are known and ids where not."""
    assert sentence(replace(_ENTRY, **given), "Okta", _NAMES) == said


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Ana Lima", "Ana Lima"),
        ("Ana \u202egnp.exe", "Ana \\u202egnp.exe"),
        ("\u2066Ana\u2069 \u200fLima\ufeff", "\\u2066Ana\\u2069 \\u200fLima\\ufeff"),
        ("Ana\x1b[2J\x9b1m\r\n2026-01-01 Okta deleted", "Ana\\u001b[2J\\u009b1m\\u000d\\u000a2026-01-01 Okta deleted"),
        ("a\u2028b\u2029c\x00\ud800", "a\\u2028b\\u2029c\\u0000\\ud800"),
        ("flag \U000e0067", "flag \\U000e0067"),
        ("\u3164\u115f\u2800 Ana", "\\u3164\\u115f\\u2800 Ana"),
        ("پژوهش\u200cگر 👩\u200d🚀 naïve Ω", "پژوهش\u200cگر 👩\u200d🚀 naïve Ω"),
    ],
)
def test_names_cannot_disturb_what_is_shown(text: str, seen: str) -> None:
    """What would turn, hide or forge text is shown as its escape, in sentences and in what commands print; letters of all scripts stay."""
    assert sentence(replace(_ENTRY, attributes=("title",)), "Okta", {"u1": text}) == f"Okta changed title of {seen}"
    assert table(("NAME",), [(text,), ([text],)]).splitlines() == ["NAME", seen, seen]
    arguments, shown = Namespace(json=False), io.StringIO()
    with contextlib.redirect_stdout(shown):
        emit(arguments, None, f"one\ttwo\n{text.replace(chr(10), '')}")
    assert shown.getvalue() == f"one\ttwo\n{seen.replace(_NEWLINE, '')}\n"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Okta SCIM Client 1.0.0", "okta"),
        ("Microsoft Azure AD SCIM provisioning 1.2.3", "entra"),
        ("prod Entra ID", "entra"),
        ("PingFederate/12.0", "ping"),
        ("curl/8.5.0", "other"),
        ("", "other"),
        ("x" * 10_000 + "okta", "other"),
    ],
)
def test_clients_are_known_by_what_they_are_called(text: str, word: str) -> None:
    """By a word in the User-Agent or in the label of the token, of which only the beginning is looked at."""
    assert client_of(text) == word


@pytest.mark.parametrize(
    ("detail", "kept"),
    [
        ("userName is already in use by another User", "userName is already in use by another User"),
        ('User has no attribute "favourite"', 'User has no attribute "…"'),
        ('User has no attribute "a" b "c"', 'User has no attribute "…"'),
        ('emails has no sub-attribute "title"', 'emails has no sub-attribute "title"'),
        (f"User '{_ID}' not found", f"User '{_ID}' not found"),
        ("User 'ana@example.com' not found", 'User "…" not found'),
        (f'User "{_ID}" has the version W/"3"', f'User "{_ID}" has the version W/"3"'),
        ("The filter cannot be read: expected a value.\nuserName eq ana\n            ^", "The filter cannot be read: expected a value."),
        ('members: there is no resource with the id "ana\nlima"', 'members: there is no resource with the id "…"'),
        ('members: there is no resource with the id "a" ana\nlima"', 'members: there is no resource with the id "…"'),
        ('members: there is no resource with the id "title"ana\nlima"', 'members: there is no resource with the id "…"'),
        ("x" * 1_000, "x" * (LONGEST - 1) + "…"),
    ],
)
def test_what_the_client_wrote_is_left_out(detail: str, kept: str) -> None:
    """Only names of the product's schemas, versions and ids of its own form stay in quotation marks."""
    assert without_values(detail) == kept


@pytest.mark.parametrize("id_", ['a"b', "a\\b", "a\nb", "é😀\u2028", "x" * 300])
def test_an_entry_is_put_together_as_json(id_: str) -> None:
    """Whatever an imported id or a type that a tenant made up has in it: it is read back as it was."""
    exchange = Exchange("data", "request-1", "PATCH", "/custom/{id}", "entra-0001", "acme", "abcdef", status=200)
    exchange.seconds = 0.25
    served = Served(
        1_800_000_000.5, exchange, Route("acme", Endpoint.RESOURCE, f'R{id_[:3]}"', id_), Fields([]), {"ETag": 'W/"7-3f2a"'}, None
    )
    (drafted,) = entries(served, "entra")
    assert (drafted.at, drafted.reads) == (1_800_000_000.25, False)
    assert orjson.loads(drafted.text) == {
        "at": 1_800_000_000.25,
        "milliseconds": 250.0,
        "request_id": "request-1",
        "client": "entra",
        "token": "abcdef",
        "correlation": "entra-0001",
        "method": "PATCH",
        "route": "/custom/{id}",
        "op": "patch",
        "type": f'R{id_[:3]}"',
        "status": 200,
        "result": "ok",
        "reads": False,
        "resource": id_,
        "version": 7,
    }


def test_reasons_of_authentication_go_first() -> None:
    """A word of authentication is translated, also one without a translation; a missing right is told by its failure."""
    cases: dict[tuple[str | None, str | None], str] = {
        ("exp", "unauthorized"): "bearer_expired",
        ("aud", None): "aud_mismatch",
        ("overage", None): OTHER_DENIAL[0],
    }
    cases |= {("forbidden", "forbidden"): "forbidden", (None, "uniqueness"): "uniqueness"}
    assert {given: reason_of(*given) for given in cases} == cases
    assert reason_of(None, None) is None


def test_the_documentation_has_every_client_and_reason() -> None:
    """docs/activity.md names what the tables have."""
    text = (Path(str(assets.ROOT)) / "docs" / "activity.md").read_text(encoding="utf-8")
    assert [one.word for one in CLIENTS if f"| `{one.word}` | {one.name} |" not in text] == []
    said = (*DENIALS.values(), OTHER_DENIAL)
    assert [word for word, meaning in said if f"| `{word}` | {meaning} |" not in text] == []
