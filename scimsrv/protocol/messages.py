"""The envelopes of RFC 7644 as pydantic models: names in any case, unknown members ignored."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, model_validator

from scimsrv.errors import Kind, ScimError, invalid_syntax, invalid_value

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
#: What is known of a request that is carried out later: an extension of this server.
REQUEST_STATUS = "urn:scimsrv:scim:api:messages:1.0:RequestStatus"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    schemas: list[str]

    @classmethod
    def read(cls, body: dict[str, Any]) -> Self:
        """The message in a JSON object. Raises ScimError invalidSyntax (envelope) or invalidValue (a member's value); what is
        wrong with a page by cursor has kinds of its own (RFC 9865 §2.1)."""
        canonical = {name.lower(): name for name in cls.model_fields} | {
            field.alias.lower(): field.alias for field in cls.model_fields.values() if field.alias
        }
        given = {canonical.get(name.lower(), name): value for name, value in body.items()}
        try:
            return cls.model_validate(given)
        except ValidationError as problem:
            first = problem.errors(include_url=False, include_input=False, include_context=False)[0]
            where = str(first["loc"][0]) if first["loc"] else "the body"
            text = f"{where}: {first['msg'].removeprefix('Value error, ')}"
            raise cls._refusal(where, text, given) from None

    @classmethod
    def _refusal(cls, where: str, text: str, _given: dict[str, Any]) -> ScimError:
        return (invalid_syntax if where in ("schemas", "Operations", "the body") else invalid_value)(text)


def _named(schemas: list[str], urn: str) -> bool:
    return urn.lower() in (name.lower() for name in schemas)


class PatchOp(_Message):
    """A PATCH request's body (RFC 7644 §3.5.2)."""

    operations: list[Any] = Field(alias="Operations")

    @model_validator(mode="after")
    def _is_patch(self) -> Self:
        if not _named(self.schemas, PATCH_OP):
            raise ValueError(f"schemas must name {PATCH_OP}")
        return self


class BulkRequest(_Message):
    """The members of a bulk request but for its operations (RFC 7644 §3.7): `operations` says that they are an array."""

    operations: list[Any] = Field(alias="Operations")
    fail_on_errors: StrictInt | None = Field(None, alias="failOnErrors", ge=1)

    @model_validator(mode="after")
    def _is_bulk(self) -> Self:
        if not _named(self.schemas, BULK_REQUEST):
            raise ValueError(f"schemas must name {BULK_REQUEST}")
        return self


class SearchRequest(_Message):
    """The body of POST /.search (RFC 7644 §3.4.3, RFC 9865 §3)."""

    attributes: list[str] | str | None = None
    excluded_attributes: list[str] | str | None = Field(None, alias="excludedAttributes")
    filter: str | None = None
    sort_by: str | None = Field(None, alias="sortBy")
    sort_order: str | None = Field(None, alias="sortOrder")
    start_index: StrictInt | None = Field(None, alias="startIndex")
    count: StrictInt | None = None
    cursor: str | None = None

    @model_validator(mode="after")
    def _is_search(self) -> Self:
        if not _named(self.schemas, SEARCH_REQUEST):
            raise ValueError(f"schemas must name {SEARCH_REQUEST}")
        return self

    @classmethod
    def _refusal(cls, where: str, text: str, given: dict[str, Any]) -> ScimError:
        if where == "cursor":
            return ScimError(Kind.INVALID_CURSOR, text)
        if where == "count" and given.get("cursor") is not None:
            return ScimError(Kind.INVALID_COUNT, text)
        return super()._refusal(where, text, given)
