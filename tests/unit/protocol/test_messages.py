"""Message envelopes: the URN is required in any case, members in any case, structure is checked (RFC 7644 §3.4.3, §3.5.2)."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.messages import PATCH_OP, SEARCH_REQUEST, PatchOp, SearchRequest
from tests.unit.protocol.support import refused


@pytest.mark.parametrize("name", ["Operations", "operations", "OPERATIONS"])
@pytest.mark.parametrize("schemas", [[PATCH_OP], [PATCH_OP.upper()], ["urn:x", PATCH_OP]])
def test_patch(name: str, schemas: list[str]) -> None:
    """A PatchOp is read whatever the case of its members and URN; other members are ignored."""
    assert PatchOp.read({"schemas": schemas, name: [{"op": "add"}], "extra": 1}).operations == [{"op": "add"}]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Operations": []},
        {"schemas": [], "Operations": []},
        {"schemas": None, "Operations": []},
        {"schemas": PATCH_OP, "Operations": []},
        {"schemas": [1], "Operations": []},
        {"schemas": [SEARCH_REQUEST], "Operations": []},
        {"schemas": [PATCH_OP]},
        {"schemas": [PATCH_OP], "Operations": None},
        {"schemas": [PATCH_OP], "Operations": {}},
        {"schemas": [PATCH_OP], "Operations": "x"},
        {"schemas": [PATCH_OP], "op": "add", "path": "x", "value": "y"},
    ],
)
def test_patch_that_is_refused(body: dict[str, Any]) -> None:
    """A missing or wrong URN, and operations that are missing or no array, are invalidSyntax."""
    with refused(Kind.INVALID_SYNTAX):
        PatchOp.read(body)


@pytest.mark.parametrize("schemas", [None, [], "x", [PATCH_OP], [SEARCH_REQUEST + "x"]])
def test_a_search_must_be_one(schemas: Any) -> None:
    """So is a search request that does not say that it is one."""
    with refused(Kind.INVALID_SYNTAX):
        SearchRequest.read({"schemas": schemas})


def test_messages_do_not_repeat_what_was_sent() -> None:
    """The refusal of an envelope names the member and the rule, never the value, which may be a secret."""
    with pytest.raises(ScimError, match="count") as caught:
        SearchRequest.read({"schemas": [SEARCH_REQUEST], "count": "hunter2"})
    assert "hunter2" not in str(caught.value)
