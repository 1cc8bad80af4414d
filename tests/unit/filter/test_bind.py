"""Binding filters to a schema: places and keys, and what does not fit."""

from __future__ import annotations

import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.filter.bind import (
    Bound,
    BoundAnd,
    BoundCompare,
    BoundConstant,
    BoundElement,
    BoundNot,
    BoundOr,
    BoundPresent,
    bind,
    bind_element,
)
from scimsrv.filter.parse import parse_filter, parse_path
from scimsrv.schema.effective import Resolved
from scimsrv.schema.semantics import Key, Op
from tests.schemas import CORE_USER, ENTERPRISE, SAMPLE, group_schema, sample_schema


def bound(text: str, *, unknown_matches_nothing: bool = False) -> Bound:
    return bind(parse_filter(text), sample_schema(), text, unknown_matches_nothing=unknown_matches_nothing)


def at(name: str) -> Resolved:
    found = sample_schema().resolve(name)
    assert found is not None
    return found


def present(name: str) -> BoundPresent:
    return BoundPresent(at(name))


def compare(name: str, op: Op, key: Key) -> BoundCompare:
    return BoundCompare(at(name), op, key)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('USERNAME eq "ADA"', compare("userName", Op.EQ, "ada")),
        ('id eq "U-1"', compare("id", Op.EQ, "U-1")),
        ('externalId sw "Ab"', compare("externalId", Op.SW, "Ab")),
        ('meta.created gt "2024-01-01T01:00:00+01:00"', compare("meta.created", Op.GT, "2024-01-01T00:00:00.000Z")),
        (f'schemas eq "{CORE_USER}"', compare("schemas", Op.EQ, CORE_USER.lower())),
        (f'{ENTERPRISE}:department eq "X"', compare("department", Op.EQ, "x")),
        ('active eq "True"', compare("active", Op.EQ, True)),
        ("ratio gt 1", compare("ratio", Op.GT, 1)),
        ('emails co "X"', compare("emails.value", Op.CO, "x")),
        ('manager eq "u-1"', compare("manager.value", Op.EQ, "u-1")),
        ("emails pr", present("emails")),
        ("manager pr", present("manager")),
        ("emails eq null", BoundNot(present("emails"))),
        ("title ne null", present("title")),
        ('emails[type eq "Work"]', BoundElement(at("emails"), compare("emails.type", Op.EQ, "work"))),
        ('manager[value eq "M"]', BoundElement(at("manager"), compare("manager.value", Op.EQ, "M"))),
        ('tags[value eq "X"]', BoundElement(at("tags"), compare("tags", Op.EQ, "x"))),
        ("tags[value pr]", BoundElement(at("tags"), present("tags"))),
        (
            'emails[type eq "a" and display pr].value sw "B"',
            BoundElement(
                at("emails"),
                BoundAnd((compare("emails.type", Op.EQ, "a"), present("emails.display"), compare("emails.value", Op.SW, "b"))),
            ),
        ),
        (
            "title pr and (active eq true and nickName pr)",
            BoundAnd((present("title"), compare("active", Op.EQ, True), present("nickName"))),
        ),
        ("title pr or nickName pr", BoundOr((present("title"), present("nickName")))),
        ("not (not (title pr))", present("title")),
        ("emails.primary eq true", compare("emails.primary", Op.EQ, True)),
        ("emails.primary eq false", BoundElement(at("emails"), compare("emails.primary", Op.NE, True))),
        ("emails[primary eq false]", BoundElement(at("emails"), compare("emails.primary", Op.NE, True))),
        ("emails[primary ne false]", BoundElement(at("emails"), compare("emails.primary", Op.EQ, True))),
        (
            "emails.primary ne false",
            BoundOr((BoundElement(at("emails"), compare("emails.primary", Op.EQ, True)), BoundNot(present("emails")))),
        ),
    ],
)
def test_filters_are_bound(text: str, expected: Bound) -> None:
    assert bound(text) == expected


def test_a_group_binds_members_by_value() -> None:
    members = group_schema().resolve("members.value")
    assert members is not None
    text = 'members eq "u-1"'
    assert bind(parse_filter(text), group_schema(), text, unknown_matches_nothing=False) == BoundCompare(members, Op.EQ, "u-1")


#: Text, offset that the caret points at, words that the detail holds.
BAD: list[tuple[str, int, str]] = [
    # names
    ('nosuch eq "x"', 0, "'nosuch' is no attribute of resource type User."),
    ('userNam eq "x"', 0, "expected perhaps 'userName'"),
    ("title pr and departmnt pr", 13, "expected perhaps 'department'"),
    ("name.givenNam pr", 0, "expected perhaps 'name.givenName'"),
    ("name.nosuch pr", 0, "no attribute"),
    (f"{ENTERPRISE}:nosuch pr", 0, "no attribute"),
    (f"{ENTERPRISE} pr", 0, "no attribute"),
    ("urn:x:y pr", 0, "no attribute"),
    ("x" * 300 + " pr", 0, "…' is no attribute"),
    ('emails[typ eq "x"]', 7, "'typ' is no attribute of 'emails'; expected perhaps 'type'"),
    ('emails[emails.type eq "x"]', 7, "no attribute of 'emails'"),
    ('emails[type eq "a"].valeu eq "b"', 20, "expected perhaps 'value'"),
    ('tags[valu eq "x"]', 5, "expected perhaps 'value'"),
    ("schemas.value pr", 0, "no attribute"),
    # secrets
    ('password eq "x"', 0, "'password' cannot be used in filters: it is never returned."),
    ("password pr", 0, "cannot be used in filters"),
    ("password eq null", 0, "cannot be used in filters"),
    (f'{CORE_USER}:PASSWORD sw "x"', 0, "cannot be used in filters"),
    ("pin pr", 0, "cannot be used in filters"),
    ('desks.key eq "x"', 0, "cannot be used in filters"),
    ('title pr and desks[room pr and key co "x"]', 31, "cannot be used in filters"),
    ("desks[room pr].key pr", 15, "cannot be used in filters"),
    ("password gt 5", 0, "cannot be used in filters"),
    ("passwor pr", 0, "is no attribute of resource type User."),
    ("desks[ke pr]", 6, "is no attribute of"),
    # operators
    ("active gt true", 0, "'gt' does not apply to 'active', of type boolean: expected eq, ne or pr."),
    ('active co "t"', 0, "'co' does not apply"),
    ("emails.primary le true", 0, "'le' does not apply"),
    ('x509Certificates.value lt "AA"', 0, "of type binary"),
    ('badge co "AA"', 0, "of type binary"),
    ('profileUrl ge "a"', 0, "of type reference"),
    ('schemas gt "a"', 0, "of type reference"),
    ('meta.created sw "2024"', 0, "of type dateTime"),
    ('grade co "1"', 0, "of type integer"),
    ("ratio ew 1", 0, "of type decimal"),
    ('name eq "x"', 0, "'name' is complex: expected one of its sub-attributes."),
    ('name gt "x"', 0, "is complex"),
    ('desks eq "x"', 0, "is complex"),
    ('meta co "x"', 0, "is complex"),
    ("title gt null", 9, "'gt' does not apply to null: expected eq or ne."),
    ("nosuch co null", 10, "'co' does not apply to null"),
    # literals
    ("userName eq 5", 12, "'userName' must be a string"),
    ("userName co true", 12, "must be a string"),
    ("emails eq 5", 10, "'emails.value' must be a string"),
    ('active eq "x"', 10, "must be true or false"),
    ("active eq 1", 10, "must be true or false"),
    ('grade eq "5"', 9, "must be an integer"),
    ("grade gt 1.5", 9, "must be an integer"),
    ("grade eq true", 9, "must be an integer"),
    ("grade eq 9223372036854775808", 9, "64 bits"),
    ('ratio eq "1"', 9, "must be a number"),
    ('meta.lastModified ge "yesterday"', 21, "must be a dateTime"),
    ('since eq "2024-02-30T00:00:00Z"', 9, "must be a dateTime"),
    ("since eq 2024", 9, "must be"),
    ('badge eq "*"', 9, "must be base64"),
    ("profileUrl eq 1", 14, "must be a string"),
    ('emails[value eq "a" and type eq 5]', 32, "'emails.type' must be a string"),
    # value paths
    ('userName[value eq "x"]', 0, "single simple value"),
    ('emails.type[value eq "x"]', 0, "is a sub-attribute"),
    ('name.givenName[value eq "x"]', 0, "is a sub-attribute"),
]


def caret(problem: ScimError, text: str) -> int:
    assert problem.detail is not None
    sentence, excerpt, line = problem.detail.split("\n")
    assert sentence.endswith(".")
    assert "secret" not in sentence
    cut = excerpt.startswith("…")
    return text.index(excerpt[cut:].removesuffix("…")) + len(line) - 1 - cut


@pytest.mark.parametrize(("text", "offset", "words"), BAD)
def test_what_does_not_fit_is_refused_and_shown(text: str, offset: int, words: str) -> None:
    with pytest.raises(ScimError) as caught:
        bound(text)
    assert caught.value.kind is Kind.INVALID_FILTER
    assert words in caught.value.sentence
    assert caret(caught.value, text) == offset


def test_suggestions_never_name_a_secret() -> None:
    for text in ("passwor pr", "pi pr", "desks.ke pr", "desks[ke pr]"):
        with pytest.raises(ScimError) as caught:
            bound(text)
        for secret in ("'password'", "'pin'", "'desks.key'", "'key'"):
            assert secret not in caught.value.sentence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('nosuch eq "x"', BoundConstant(False)),
        ('nosuch ne "x"', BoundConstant(True)),
        ("nosuch gt 5", BoundConstant(False)),
        ("nosuch pr", BoundConstant(False)),
        ("nosuch eq null", BoundConstant(True)),
        ("nosuch ne null", BoundConstant(False)),
        ('nosuch[a eq "x"]', BoundConstant(False)),
        ('nosuch[a eq "x"].b ne "x"', BoundConstant(False)),
        ("not (nosuch pr)", BoundConstant(True)),
        ('emails[nosuch eq "x"]', BoundConstant(False)),
        ('emails[nosuch ne "x"]', present("emails")),
        ("nosuch pr or title pr", present("title")),
        ("nosuch pr and title pr", BoundConstant(False)),
        ("not (nosuch pr) and title pr", present("title")),
        ("not (nosuch pr) or title pr", BoundConstant(True)),
        ("not (nosuch pr) and not (other pr)", BoundConstant(True)),
    ],
)
def test_unknown_names_may_match_nothing(text: str, expected: Bound) -> None:
    assert bound(text, unknown_matches_nothing=True) == expected


@pytest.mark.parametrize(
    "text", ["password pr", "nosuch pr and pin pr", "not (nosuch pr) or active gt true", "nosuch gt null", "userName eq 5", "desks[key pr]"]
)
def test_queries_over_several_types_keep_the_other_rules(text: str) -> None:
    """A part whose verdict no longer matters is checked all the same."""
    with pytest.raises(ScimError):
        bound(text, unknown_matches_nothing=True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ('emails[type eq "WORK"].value', compare("emails.type", Op.EQ, "work")),
        ('members[value eq "U-1"]', None),
        ('roles[primary eq "True"].value', compare("roles.primary", Op.EQ, True)),
        ('tags[value eq "X"]', compare("tags", Op.EQ, "x")),
        (f"{SAMPLE}:desks[width ge 5]", compare("desks.width", Op.GE, 5)),
        ('manager[value eq "m"]', compare("manager.value", Op.EQ, "m")),
    ],
)
def test_filters_of_paths_are_bound_to_elements(path: str, expected: Bound | None) -> None:
    tree = parse_path(path)
    place = sample_schema().resolve(tree.name.text) or group_schema().resolve(tree.name.text)
    assert place is not None
    assert tree.filter is not None
    found = bind_element(tree.filter, place, path, Kind.INVALID_FILTER)
    if expected is None:
        members = group_schema().resolve("members.value")
        assert members is not None
        expected = BoundCompare(members, Op.EQ, "U-1")
    assert found == expected


@pytest.mark.parametrize(
    ("path", "kind", "offset"),
    [
        ('emails[nosuch eq "x"].value', Kind.INVALID_FILTER, 7),
        ('emails[nosuch eq "x"].value', Kind.INVALID_PATH, 7),
        ("emails[primary gt true]", Kind.INVALID_FILTER, 7),
        ("emails[type eq 5]", Kind.INVALID_FILTER, 15),
        ('userName[value eq "x"]', Kind.INVALID_PATH, 0),
        ('name.givenName[value eq "x"]', Kind.INVALID_PATH, 0),
        ("desks[key pr]", Kind.INVALID_FILTER, 6),
    ],
)
def test_filters_of_paths_fail_with_the_kind_asked_for(path: str, kind: Kind, offset: int) -> None:
    tree = parse_path(path)
    assert tree.filter is not None
    with pytest.raises(ScimError) as caught:
        bind_element(tree.filter, at(tree.name.text), path, kind)
    assert caught.value.kind is kind
    assert caret(caught.value, path) == offset


def test_what_is_never_returned_is_refused_and_not_shown() -> None:
    """The refusal of a filter on a password names the attribute, and not what it was compared with."""
    with pytest.raises(ScimError) as caught:
        bind(parse_filter('password eq "s3cret" or title pr'), sample_schema(), 'password eq "s3cret"', unknown_matches_nothing=False)
    assert caught.value.kind is Kind.INVALID_FILTER
    assert "'password' cannot be used in filters: it is never returned." in str(caught.value)
    assert "s3cret" not in str(caught.value)
