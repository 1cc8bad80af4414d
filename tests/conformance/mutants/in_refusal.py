"""Mistakes in refusals: statuses, scimType, bodies, headers."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, Row
from scimsrv.protocol import body as body_module
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import everywhere, headers, refused, refused_body


def _status(kind: Kind, status: int, scim_type: str | None = None) -> None:
    """Answer a kind of failure with another status."""
    kind._value_ = Row(status, kind.value.scim_type if scim_type is None else scim_type, kind.value.sentence)


def _wrong_status(kind: Kind, status: int) -> None:
    @variant(f"{kind.name.lower()}_is_{status}", f"{kind.value.status} {kind.name.lower()} is answered with {status}.")
    def apply() -> None:
        _status(kind, status)


for _kind, _number in (
    (Kind.NOT_FOUND, 200),
    (Kind.NOT_FOUND, 400),
    (Kind.METHOD_NOT_ALLOWED, 404),
    (Kind.UNIQUENESS, 400),
    (Kind.UNAUTHORIZED, 403),
    (Kind.FORBIDDEN, 401),
    (Kind.PRECONDITION_FAILED, 409),
    (Kind.UNSUPPORTED_MEDIA, 400),
    (Kind.NOT_ACCEPTABLE, 400),
    (Kind.NOT_IMPLEMENTED, 404),
    (Kind.NOT_IMPLEMENTED, 200),
    (Kind.PAYLOAD_TOO_LARGE, 400),
    (Kind.INVALID_SYNTAX, 500),
    (Kind.INVALID_FILTER, 500),
    (Kind.INVALID_VALUE, 500),
    (Kind.INVALID_PATH, 500),
    (Kind.NO_TARGET, 500),
    (Kind.MUTABILITY, 500),
    (Kind.MUTABILITY, 409),
    (Kind.INVALID_VERSION, 500),
):
    _wrong_status(_kind, _number)


def _wrong_scim_type(kind: Kind, scim_type: str) -> None:
    @variant(f"{kind.name.lower()}_is_{scim_type.lower()}", f"{kind.value.scim_type} is called {scim_type}.")
    def apply() -> None:
        _status(kind, kind.value.status, scim_type)


for _kind, _type in (
    (Kind.INVALID_FILTER, "invalidSyntax"),
    (Kind.UNIQUENESS, "invalidValue"),
    (Kind.MUTABILITY, "invalidPath"),
    (Kind.INVALID_SYNTAX, "invalidFilter"),
    (Kind.INVALID_PATH, "noTarget"),
    (Kind.NO_TARGET, "invalidPath"),
    (Kind.INVALID_VALUE, "invalidFilter"),
    (Kind.INVALID_VERSION, "invalidSyntax"),
):
    _wrong_scim_type(_kind, _type)


@mutant
def scim_type_is_missing() -> None:
    """Errors have no scimType."""
    refused_body(lambda body: {name: value for name, value in body.items() if name != "scimType"})


@mutant
def scim_type_everywhere() -> None:
    """Every error has a scimType, 404 and 401 too."""
    refused_body(lambda body: {"scimType": "invalidValue"} | body)


@mutant
def status_is_a_number() -> None:
    """The status in an error's body is a number."""
    refused_body(lambda body: body | {"status": int(body["status"])})


@mutant
def status_is_missing() -> None:
    """An error's body has no status."""
    refused_body(lambda body: {name: value for name, value in body.items() if name != "status"})


@mutant
def status_differs() -> None:
    """The status in an error's body is always 400."""
    refused_body(lambda body: body | {"status": "400"})


@mutant
def error_without_schemas() -> None:
    """An error's body has no schemas."""
    refused_body(lambda body: {name: value for name, value in body.items() if name != "schemas"})


@mutant
def error_with_other_schemas() -> None:
    """An error's body has the schemas of a list."""
    refused_body(lambda body: body | {"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]})


@mutant
def error_without_detail() -> None:
    """An error's body has no detail."""
    refused_body(lambda body: {name: value for name, value in body.items() if name != "detail"})


@mutant
def error_details_are_all_alike() -> None:
    """An error's detail says nothing."""
    refused_body(lambda body: body | {"detail": "Bad request"})


@mutant
def error_without_body() -> None:
    """Errors have no body."""
    refused(lambda error, reply: changed(reply, body=None))


@mutant
def error_is_html() -> None:
    """An error's body is HTML."""
    refused(lambda error, reply: changed(reply, body=b"<html>Error</html>"))


@mutant
def error_repeats_secrets() -> None:
    """A refused body is repeated in the detail."""
    original = body_module.read_object
    kept = {"text": ""}

    def read(body: bytes, limits: Any) -> Any:
        kept["text"] = body.decode("utf-8", "replace")
        return original(body, limits)

    everywhere(original, read)
    refused_body(lambda body: body | {"detail": str(body["detail"]) + kept["text"]})


@mutant
def no_allow() -> None:
    """405 has no Allow."""
    refused(lambda error, reply: headers(reply, Allow=None))


@mutant
def allow_lies() -> None:
    """Allow names methods that are not allowed."""
    refused(lambda error, reply: headers(reply, Allow="GET, POST, PUT, PATCH, DELETE") if reply.status == 405 else reply)


@mutant
def no_challenge() -> None:
    """401 has no WWW-Authenticate."""
    refused(lambda error, reply: headers(reply, WWW_Authenticate=None))


@mutant
def challenge_of_another_scheme() -> None:
    """401 asks for Basic authentication."""
    refused(lambda error, reply: headers(reply, WWW_Authenticate='Basic realm="scim"') if reply.status == 401 else reply)
