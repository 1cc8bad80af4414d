"""Slugs of tenants, scopes of tokens, names of queries."""

import pytest

from scimsrv import assets
from scimsrv.scopes import expand
from scimsrv.slugs import RESERVED, slug_problem
from scimsrv.store import queries


@pytest.mark.parametrize("slug", ["a", "0", "acme", "a-b", "demo", "x" * 63, "v", "vv2", "v2x"])
def test_slugs(slug: str) -> None:
    """Lower-case letters, digits and hyphens, up to 63, make a slug."""
    assert slug_problem(slug) is None


@pytest.mark.parametrize("slug", ["", "-a", "A", "a_b", "a.b", "x" * 64, "ä", "a\n", "a/b"])
def test_malformed_slugs(slug: str) -> None:
    """Everything else is not."""
    assert "cannot be a tenant" in (slug_problem(slug) or "")


@pytest.mark.parametrize("slug", ["v1", "v2", "v10", "endpoints", "users", "schemas", "me", "bulk", "admin", "console", "oauth"])
def test_reserved_slugs(slug: str) -> None:
    """Names that mean something in URLs are reserved, with the versions of the protocol."""
    assert "reserved" in (slug_problem(slug) or "")


def test_reserved_slugs_are_slugs() -> None:
    """The list of reserved names holds nothing that could not be a slug anyway."""
    assert all("reserved" in (slug_problem(slug) or "") for slug in RESERVED)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["scim"], ("scim:read", "scim:write", "scim:bulk")),
        (["scim:write", "scim:read"], ("scim:read", "scim:write")),
        (["scim:read"], ("scim:read",)),
    ],
)
def test_scopes(asked: list[str], expected: tuple[str, ...]) -> None:
    """An alias stands for several scopes; each is kept once and in a fixed order."""
    assert expand(asked) == expected


def test_unknown_scope_is_named() -> None:
    """An unknown scope is an error that lists the known ones."""
    with pytest.raises(ValueError, match=r"'scim:all'.*scim:read"):
        expand(["scim:read", "scim:all"])


def test_every_query_file_loads() -> None:
    """Every file of sql/queries holds named statements, none of them two statements in one."""
    files = queries.all_files()
    assert {"tenants", "credentials", "migration"} <= set(files)
    for file in files:
        assert queries.load(file)
        assert not any(";" in statement for statement in queries.load(file).values()), file


def test_query_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block reaches from its name to the next; comments and the closing semicolon are left out."""
    monkeypatch.setattr(assets, "text", lambda _: "-- top\n\n-- about one\n-- name: one\nSELECT 1\n  + 1;\n\n-- name: two\nSELECT 2;\n")
    assert dict(queries.load.__wrapped__("any")) == {"one": "SELECT 1\n  + 1", "two": "SELECT 2"}


@pytest.mark.parametrize("text", ["-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n", "-- name: one\n-- nothing\n"])
def test_broken_query_files(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A doubled name and an empty block are errors."""
    monkeypatch.setattr(assets, "text", lambda _: text)
    with pytest.raises(ValueError, match="one is empty or occurs twice"):
        queries.load.__wrapped__("any")


def test_statements_are_split_at_line_ends() -> None:
    """A script is split where a semicolon ends a line, and nowhere else."""
    assert queries.statements("-- c\nA ';' b;\n\nC\n  d; \n-- e\n") == ["A ';' b", "C\n  d"]
