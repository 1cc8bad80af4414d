"""Reading filters and PATCH paths: what is accepted, what it means, and where errors point."""

from __future__ import annotations

import sys

import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.filter import parse
from scimsrv.filter.parse import parse_filter, parse_path
from scimsrv.filter.tree import And, Compare, Filter, Name, Not, Or, PatchPath, Present, ValuePath
from scimsrv.schema.semantics import Op

URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def pr(name: str, offset: int) -> Present:
    return Present(Name(name, offset))


def eq(name: str, offset: int, literal: str | float | bool | None, at: int) -> Compare:
    return Compare(Name(name, offset), Op.EQ, literal, at)


FILTERS: list[tuple[str, Filter]] = [
    ("title pr", pr("title", 0)),
    ('userName eq "ada"', eq("userName", 0, "ada", 12)),
    ('userName EQ "ada"', eq("userName", 0, "ada", 12)),
    ("  a   eq   1  ", eq("a", 2, 1, 11)),
    # names like operators and literals
    ("notes pr", pr("notes", 0)),
    ("order eq 1", eq("order", 0, 1, 9)),
    ("not pr", pr("not", 0)),
    ("not eq 1", eq("not", 0, 1, 7)),
    ("and pr and or pr", And((pr("and", 0), pr("or", 11)))),
    ("pr pr", pr("pr", 0)),
    ("eq eq true", eq("eq", 0, True, 6)),
    ("true eq true", eq("true", 0, True, 8)),
    ("not (not pr)", Not(pr("not", 5))),
    ("$ref pr", pr("$ref", 0)),
    ("members.$ref pr", pr("members.$ref", 0)),
    ("cost-center_2 pr", pr("cost-center_2", 0)),
    (f'{URN}:manager.value eq "m"', eq(f"{URN}:manager.value", 0, "m", 76)),
    (f"{URN.upper()}:x-y_z pr", pr(f"{URN.upper()}:x-y_z", 0)),
    ("urnlike pr", pr("urnlike", 0)),
    # literals
    ("a eq TRUE", eq("a", 0, True, 5)),
    ("a eq False", eq("a", 0, False, 5)),
    ("a eq NULL", eq("a", 0, None, 5)),
    ("a eq -0", eq("a", 0, 0, 5)),
    ("a eq -12.5E+1", eq("a", 0, -125.0, 5)),
    ('a eq ""', eq("a", 0, "", 5)),
    (r'a eq "\"\\\/\b\f\n\r\t"', eq("a", 0, '"\\/\b\f\n\r\t', 5)),
    (r'a eq "\u00e9\ud83d\ude00"', eq("a", 0, "é😀", 5)),
    ('a eq "é\x7f\u2028"', eq("a", 0, "é\x7f\u2028", 5)),
    ('a eq "(((" ', eq("a", 0, "(((", 5)),
    ('a eq "x and y or ]"', eq("a", 0, "x and y or ]", 5)),
    # precedence and grouping
    ("a pr or b pr and c pr", Or((pr("a", 0), And((pr("b", 8), pr("c", 17)))))),
    ("(a pr or b pr) and c pr", And((Or((pr("a", 1), pr("b", 9))), pr("c", 19)))),
    ("not (a pr) and b pr", And((Not(pr("a", 5)), pr("b", 15)))),
    ("NOT(a pr or b pr)", Not(Or((pr("a", 4), pr("b", 12))))),
    ("a pr AND b pr And c pr", And((pr("a", 0), pr("b", 9), pr("c", 18)))),
    ("a pr and (b pr and c pr)", And((pr("a", 0), And((pr("b", 10), pr("c", 19)))))),
    ("((a pr))", pr("a", 2)),
    ("not(not(a pr))", Not(Not(pr("a", 8)))),
    # value paths
    ('emails[type eq "work"]', ValuePath(Name("emails", 0), eq("type", 7, "work", 15))),
    ('emails[ type eq "work" ]', ValuePath(Name("emails", 0), eq("type", 8, "work", 16))),
    ('emails[type eq "w"].value eq "x"', ValuePath(Name("emails", 0), eq("type", 7, "w", 15), eq("value", 20, "x", 29))),
    ('emails[type eq "w"].value pr', ValuePath(Name("emails", 0), eq("type", 7, "w", 15), pr("value", 20))),
    ("a[not (b pr) and (c pr or d pr)]", ValuePath(Name("a", 0), And((Not(pr("b", 7)), Or((pr("c", 18), pr("d", 26))))))),
    ('a[b eq "]"] or c pr', Or((ValuePath(Name("a", 0), eq("b", 2, "]", 7)), pr("c", 15)))),
    (f"{URN}:a[b pr].c pr", ValuePath(Name(f"{URN}:a", 0), pr("b", 61), pr("c", 67))),
    # offsets after strings of other lengths
    (
        r'a eq "\u0041bc" and b[c eq "" and d pr].e eq "xyz" and f eq 1',
        And(
            (
                eq("a", 0, "Abc", 5),
                ValuePath(Name("b", 20), And((eq("c", 22, "", 27), pr("d", 34))), eq("e", 40, "xyz", 45)),
                eq("f", 55, 1, 60),
            )
        ),
    ),
]


@pytest.mark.parametrize(("text", "tree"), FILTERS)
def test_filters_are_read(text: str, tree: Filter) -> None:
    """Twice, for the second time takes the tree from memory."""
    assert parse_filter(text) == tree
    assert parse_filter(text) == tree


@pytest.mark.parametrize("op", Op)
def test_every_operator_in_any_case(op: Op) -> None:
    for word in (op.value, op.value.upper(), op.value.title()):
        assert parse_filter(f'a {word} "x"') == Compare(Name("a", 0), op, "x", 5)


def test_true_is_no_number() -> None:
    """Python holds 1 and true for equal; the tree must keep them apart."""
    for text, kind in (("a eq 1", int), ("a eq true", bool), ("a eq 1.0", float)):
        tree = parse_filter(text)
        assert isinstance(tree, Compare)
        assert type(tree.literal) is kind


PATHS: list[tuple[str, PatchPath]] = [
    ("members", PatchPath(Name("members", 0))),
    ("name.familyName", PatchPath(Name("name.familyName", 0))),
    (URN, PatchPath(Name(URN, 0))),
    (f"{URN}:manager.value", PatchPath(Name(f"{URN}:manager.value", 0))),
    (f'{URN}:a[b eq "x"].c', PatchPath(Name(f"{URN}:a", 0), eq("b", 61, "x", 66), Name("c", 71))),
    ('addresses[type eq "work"]', PatchPath(Name("addresses", 0), eq("type", 10, "work", 18))),
    ('emails[type eq "work"].value', PatchPath(Name("emails", 0), eq("type", 7, "work", 15), Name("value", 23))),
    ("emails[type pr].$ref", PatchPath(Name("emails", 0), pr("type", 7), Name("$ref", 16))),
    (' emails[a eq "" or b eq 1] ', PatchPath(Name("emails", 1), Or((eq("a", 8, "", 13), eq("b", 19, 1, 24))))),
]


@pytest.mark.parametrize(("text", "path"), PATHS)
def test_paths_are_read(text: str, path: PatchPath) -> None:
    assert parse_path(text) == path
    assert parse_path(text) == path


WORK = "text values need double quotation marks"
#: Text, offset that the caret points at, words that the detail holds.
BAD_FILTERS: list[tuple[str, int, str]] = [
    ("", 0, "is empty"),
    ("   ", 0, "is empty"),
    ("userName", 8, "expected an operator (eq, ne,"),
    ("userName eq", 11, "expected a value (text in double quotation marks"),
    ("userName eq ", 12, "expected a value"),
    ('(userName eq "a"', 16, "expected 'and', 'or' or ')'"),
    ('userName eq "a")', 15, "expected 'and', 'or' or the end"),
    ("userName eq a", 12, WORK),
    ("userName eq 'a'", 12, WORK),
    ("externalId eq ada@example.com", 14, WORK),
    ("a eq truely", 5, WORK),
    ("a eq 01", 5, "expected a value"),
    ("a eq 1.", 5, "expected a value"),
    ("a eq +1", 5, "expected a value"),
    ("a eq .5", 5, "expected a value"),
    ("a eq 1e999", 5, "too large"),
    ("a eq " + "1" * 65, 5, "too long"),
    ('"a" eq userName', 0, "expected an attribute name or '('"),
    ('userName regex "a"', 9, "operator 'regex' is not supported"),
    ('userName = "a"', 9, "operator '=' is not supported"),
    ('userName eqq "a"', 9, "operator 'eqq' is not supported"),
    ("title prx", 6, "operator 'prx' is not supported"),
    ('userName\teq "a"', 8, "expected an operator"),
    ("not title pr", 4, "'not' needs '(' after it"),
    ("title pr userType pr", 9, "expected 'and', 'or' or the end"),
    ("title pr and", 12, "expected an attribute name or '('"),
    ("title pr and and pr)", 19, "expected 'and', 'or' or the end"),
    ("()", 1, "expected an attribute name or '('"),
    ("a.b.c pr", 3, "expected an operator"),
    ("a. pr", 1, "expected an operator"),
    ("1a pr", 0, "expected an attribute name"),
    ("é pr", 0, "expected an attribute name"),
    ("emails [type pr]", 7, "expected an operator"),
    ("emails[type pr] .value pr", 16, "expected 'and', 'or' or the end"),
    ("emails[]", 7, "expected an attribute name or '('"),
    ("emails[type pr", 14, "expected 'and', 'or' or ']'"),
    ("emails[(type pr]", 15, "expected"),
    ("emails[type pr].value", 21, "expected an operator"),
    ("emails[type[x eq 1]]", 11, "value paths may not be nested"),
    ("a[b pr and c[d pr]]", 12, "value paths may not be nested"),
    ('userName eq "abc', 12, "string is not closed"),
    ('userName eq "', 12, "string is not closed"),
    ('userName eq "a\\', 12, "string is not closed"),
    ('userName eq "a\\"', 12, "string is not closed"),
    ('a eq "x\\y"', 7, "rules of JSON"),
    ('a eq "\\u12"', 7, "rules of JSON"),
    ('a eq "x\ny"', 7, "rules of JSON"),
    ('a eq "\x00"', 6, "rules of JSON"),
    ('a eq "\\u0000"', 5, "cannot be stored"),
    ('a eq "\\ud800"', 5, "cannot be stored"),
    ('a eq "\ud800"', 5, "cannot be stored"),
    ('a eq "longer than empty" and b', 30, "expected an operator"),
    ('a eq "longer" and b eq "\\u00e9" or c eq oops', 40, WORK),
]


def place(problem: ScimError, text: str) -> int:
    """The offset that the caret points at, found by comparing the excerpt with the text."""
    assert problem.detail is not None
    sentence, excerpt, caret = problem.detail.split("\n")
    assert sentence.endswith(".")
    assert caret.strip() == "^"
    column = len(caret) - 1
    cut = excerpt.startswith("…")
    shown = excerpt[cut:].removesuffix("…")
    assert len(shown) <= 60
    start = "".join(char if char.isprintable() else "\ufffd" for char in text).index(shown)
    assert cut or start == 0
    return start + column - cut


@pytest.mark.parametrize(("text", "offset", "words"), BAD_FILTERS)
def test_errors_say_what_was_expected_and_where(text: str, offset: int, words: str) -> None:
    for _ in range(2):
        with pytest.raises(ScimError) as caught:
            parse_filter(text)
        assert caught.value.kind is Kind.INVALID_FILTER
        assert words in caught.value.sentence
        assert place(caught.value, text) == offset


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("/title", 0),
        ("a.b.c", 3),
        ("a b", 2),
        ('schemas eq "urn:x"', 8),
        ("emails[type pr].a.b", 17),
        ('emails[type eq "x"] y', 20),
        ('emails[type eq "[["].value pr', 27),
        ('emails[type eq "x"', 18),
        ("emails[type eq", 14),
        ("emails[0]", 7),
        ("emails[]", 7),
        ('emails[type eq "]" and x', 24),
        ("emails[type[x pr]]", 11),
        ('emails[type eq "\\x"]', 16),
    ],
)
def test_errors_in_paths_point_at_their_place(text: str, offset: int) -> None:
    with pytest.raises(ScimError) as caught:
        parse_path(text)
    assert caught.value.kind is Kind.INVALID_PATH
    assert place(caught.value, text) == offset


def test_the_excerpt_is_cut_around_the_place() -> None:
    with pytest.raises(ScimError) as caught:
        parse_filter(" and ".join(["title pr"] * 10) + " und " + " and ".join(["title pr"] * 10))
    assert caught.value.detail == "\n".join(
        (
            "The filter cannot be read: expected 'and', 'or' or the end.",
            "… title pr and title pr and title pr und title pr and title p…",
            "                                     ^",
        )
    )


def test_limits_hold_up_to_and_not_beyond() -> None:
    depth, terms = parse.MAX_DEPTH, parse.MAX_TERMS
    parse_filter("(" * depth + "a pr" + ")" * depth)
    parse_filter("not (" * depth + "a pr" + ")" * depth)
    parse_filter("(" * (depth - 1) + "a[b pr]" + ")" * (depth - 1))
    parse_filter(" and ".join(["(a pr)"] * terms))
    parse_filter('a eq "' + "(" * (parse.MAX_LENGTH - 7) + '"')
    for text, words in (
        ("(" * (depth + 1) + "a pr" + ")" * (depth + 1), "nested too deep"),
        ("not(" * (depth + 1) + "a pr" + ")" * (depth + 1), "nested too deep"),
        ("(" * depth + "a[b pr]" + ")" * depth, "nested too deep"),
        (" or ".join(["a pr"] * (terms + 1)), "at most 200 comparisons"),
        ("a[" + " OR ".join(["(a pr)"] * (terms + 1)) + "]", "at most 200 comparisons"),
        ('a eq "' + "x" * parse.MAX_LENGTH + '"', "at most 10000 characters"),
    ):
        with pytest.raises(ScimError, match=words):
            parse_filter(text)
    with pytest.raises(ScimError, match="nested too deep"):
        parse_path("a[" + "(" * depth + "b pr" + ")" * depth + "]")


@pytest.mark.parametrize(
    "repeated", ["(", "not (", "a[", "a[a[", '"', '\\"', "a pr and ", "urn:", "-", "[", ")", "a.", " ", 'a eq "" and ', "and ", "$"]
)
@pytest.mark.parametrize("count", [33, 1_000, 50_000])
def test_hostile_repetition_is_refused_at_once(repeated: str, count: int) -> None:
    """The work is bounded, whatever the length: counted in function calls, since other work shares the machine."""
    for text in (repeated * count, (repeated * count)[: parse.MAX_LENGTH], ('"' + repeated * count)[: parse.MAX_LENGTH]):
        calls: list[None] = []

        def count_call(_frame: object, event: str, _argument: object, calls: list[None] = calls) -> None:
            if event.endswith("call"):
                calls.append(None)

        sys.setprofile(count_call)
        try:
            with pytest.raises(ScimError) as caught:
                parse_filter(text)
        finally:
            sys.setprofile(None)
        assert caught.value.kind is Kind.INVALID_FILTER
        assert len(calls) < 100_000


def test_a_repeated_shape_costs_no_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters and paths that differ in their strings only are parsed once."""
    parse_filter('sameShape eq "one"')
    parse_path('sameShape[value eq "one"]')
    monkeypatch.setattr(parse, "_LARK", None)
    assert parse_filter(r'sameShape eq "t\"wo"') == eq("sameShape", 0, 't"wo', 13)
    assert parse_path('sameShape[value eq "two"]') == PatchPath(Name("sameShape", 0), eq("value", 10, "two", 19))
