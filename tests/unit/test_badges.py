"""What follows from awards, as tables of catalogues, and laws that hold for any."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimsrv.badges.catalogue import Catalogue, Node, bereft, build, complete, decides, entitled, progress, steps, unfounded

_SKILL = Node("skill", frozenset({"a", "b"}))
_PROGRAM = Node("program", frozenset({"skill"}))


def _one(*nodes: Node) -> Catalogue:
    return Catalogue(nodes)


@pytest.mark.parametrize(
    ("node", "held", "expected"),
    [
        (_SKILL, "ab", True),
        (_SKILL, "a", False),
        (Node("empty", frozenset()), "ab", False),
        (Node("p", frozenset("a"), frozenset("xy"), "any"), "a", False),
        (Node("p", frozenset("a"), frozenset("xy"), "any"), "ay", True),
        (Node("p", frozenset("a"), frozenset("xy"), "all"), "ay", False),
        (Node("p", frozenset("a"), frozenset("xy"), "all"), "axy", True),
        (Node("p", frozenset(), frozenset("x"), "any"), "x", False),
    ],
)
def test_complete(node: Node, held: str, expected: bool) -> None:
    """A node needs a child, all of its children, and its capstones by its rule."""
    assert complete(node, held) is expected


@pytest.mark.parametrize(
    ("catalogue", "held", "expected"),
    [
        (_one(_SKILL, _PROGRAM), "ab", {"skill", "program"}),
        (_one(_PROGRAM, _SKILL), "ab", {"skill", "program"}),
        (_one(_SKILL, _PROGRAM), "a", set()),
        (_one(Node("skill", frozenset("ab"), active=False), _PROGRAM), "ab", set()),
        (_one(), "ab", set()),
    ],
)
def test_entitled(catalogue: Catalogue, held: str, expected: set[str]) -> None:
    """What follows does so to the end, whatever the order of the nodes, and not through what is inactive."""
    assert entitled(catalogue, frozenset(held)) == expected


def test_each_step_has_its_cause() -> None:
    """An achievement follows from the newest of its parts; from none of the new ones where the catalogue changed."""
    found = steps(_one(_PROGRAM, _SKILL), frozenset("ab"), ["x", "a", "b"])
    assert [(step.achievement, step.because) for step in found] == [("skill", "b"), ("program", "skill")]
    assert [step.because for step in steps(_one(_PROGRAM, _SKILL), frozenset("ab"), [])] == [None, "skill"]


@pytest.mark.parametrize(
    ("given_", "automatic", "expected"),
    [("ab", {"skill", "program"}, set()), ("a", {"skill", "program"}, {"skill", "program"}), ("a", {"skill", "other"}, {"skill", "other"})],
)
def test_unfounded(given_: str, automatic: set[str], expected: set[str]) -> None:
    """Automatic awards are founded on those that were given, and not on each other."""
    assert unfounded(_one(_SKILL, _PROGRAM), frozenset(given_), frozenset(automatic)) == expected


@pytest.mark.parametrize(
    ("held", "automatic", "gone", "expected"),
    [
        ("b", {"skill", "program"}, "a", {"skill", "program"}),
        ("", {"skill", "program"}, "a", {"skill", "program"}),  # b has expired since
        ("b", {"program"}, "a", set()),  # the skill was awarded by hand
        ("ab", {"skill", "program"}, "x", set()),
        ("", {"skill", "program"}, "x", set()),  # what has expired takes nothing with it
        ("by", {"skill", "program", "chosen"}, "x", set()),  # one capstone is enough, though a has expired
        ("b", {"skill", "program", "chosen"}, "x", {"chosen"}),
    ],
)
def test_bereft(held: str, automatic: set[str], gone: str, expected: set[str]) -> None:
    """What is gone takes with it what is made of it, unless that was given or follows from what is left."""
    catalogue = _one(_SKILL, _PROGRAM, Node("chosen", frozenset({"skill"}), frozenset("xy")))
    has = frozenset(held) | automatic | {"skill"}
    assert bereft(catalogue, has, frozenset(automatic), frozenset(gone)) == expected


@pytest.mark.parametrize(
    ("node", "held", "earned", "total", "percent", "missing"),
    [
        (Node("s", frozenset(f"{number:03}" for number in range(50))), range(29), 29, 50, 58, 21),
        (Node("s", frozenset(f"{number:03}" for number in range(100))), range(29), 29, 100, 29, 71),
        (Node("s", frozenset(f"{number:03}" for number in range(3))), range(2), 2, 3, 66, 1),
        (Node("s", frozenset()), range(2), 0, 0, 0, 0),
        (Node("s", frozenset({"000"}), frozenset({"x", "y"}), "any"), range(1), 1, 2, 50, 2),
        (Node("s", frozenset({"000"}), frozenset({"000", "y"}), "any"), range(1), 2, 2, 100, 0),
        (Node("s", frozenset({"000"}), frozenset({"x", "y"}), "all"), range(1), 1, 3, 33, 2),
    ],
)
def test_progress(node: Node, held: range, earned: int, total: int, percent: int, missing: int) -> None:
    """Progress is whole numbers, never by way of a float (defect g): 29 of 50 are 58 per cent, and 29 of 100 are 29."""
    found = progress(node, frozenset(f"{number:03}" for number in held))
    assert (found.earned, found.total, found.percent, len(found.missing)) == (earned, total, percent, missing)


def _achievement(kind: str, parent: str | None = None, **attributes: Any) -> dict[str, Any]:
    return {"kind": kind} | ({} if parent is None else {"parent": {"value": parent}}) | attributes


def test_build() -> None:
    """Skills and programmes become nodes by their achievements; what is inactive or not required counts for nothing; a skill without an
    achievement cannot be held."""
    programs: dict[str, Any] = {"P": {}, "Q": {"active": False}, "R": {"capstoneRule": "all"}}
    skills: dict[str, Any] = {
        "S": {"program": {"value": "P"}},
        "T": {"program": {"value": "P"}, "active": False},
        "U": {"program": {"value": "P"}},
        "V": {"program": {"value": "R"}},
        "W": {"program": {"value": "R"}, "required": False},
    }
    achievements = {
        "p": _achievement("program", "P"),
        "q": _achievement("program", "Q"),
        "r": _achievement("program", "R"),
        "s": _achievement("skill", "S"),
        "v": _achievement("skill", "V", active=False),
        "w": _achievement("skill", "W"),
        "1": _achievement("mini", "S"),
        "2": _achievement("mini", "S", active=False),
        "3": _achievement("mini", "S", required=False),
        "4": _achievement("mini"),
        "5": _achievement("capstone", "P"),
        "6": _achievement("progress", "P"),
        "7": _achievement("mini", "V"),
    }
    assert {node.achievement: node for node in build(programs, skills, achievements).nodes} == {
        "s": Node("s", frozenset({"1"})),
        "v": Node("v", frozenset({"7"}), active=False),
        "w": Node("w", frozenset()),
        "p": Node("p", frozenset({"s", "skill U"}), frozenset({"5"})),
        "q": Node("q", frozenset(), active=False),
        "r": Node("r", frozenset(), rule="all"),
    }


_OF_SKILL = {"kind": "mini", "parent": {"value": "S"}}


@pytest.mark.parametrize(
    ("type_", "before", "after", "matters", "matters_less"),
    [
        ("Achievement", None, _OF_SKILL, False, True),
        ("Achievement", None, _achievement("capstone", "P"), False, True),
        ("Achievement", None, _achievement("skill", "S"), True, True),
        ("Achievement", None, _achievement("mini"), False, False),
        ("Achievement", None, _achievement("progress", "P"), False, False),
        ("BadgeSkill", None, {"program": {"value": "P"}}, False, True),
        ("BadgeSkill", {"program": {"value": "P"}}, None, True, True),
        ("BadgeSkill", {"program": {"value": "P"}}, {"program": {"value": "Q"}}, True, True),
        ("BadgeProgram", {}, {"capstoneRule": "all"}, True, True),
        ("BadgeProgram", {"description": "a"}, {"description": "b"}, False, False),
        ("Achievement", _OF_SKILL, None, True, True),
        ("Achievement", _OF_SKILL, _OF_SKILL | {"required": False}, True, True),
        ("Achievement", _OF_SKILL, {"kind": "mini"}, True, True),
        ("Achievement", _OF_SKILL, _OF_SKILL | {"displayName": "x"}, False, False),
        ("Achievement", {"kind": "mini"}, {"kind": "mini", "active": False}, False, False),
    ],
)
def test_which_changes_matter(
    type_: str, before: dict[str, Any] | None, after: dict[str, Any] | None, matters: bool, matters_less: bool
) -> None:
    """Only what can make something else follow is computed; what can only take away, where that is asked for."""
    assert decides(type_, before, after, less=False) is matters
    assert decides(type_, before, after, less=True) is matters_less


# -- laws ----------------------------------------------------------------------------------------------------------

_IDS = [*"abcdefgh"]
_SETS = st.frozensets(st.sampled_from(_IDS))
_NODES = st.builds(Node, st.sampled_from(_IDS), _SETS, _SETS, st.sampled_from(["any", "all"]), st.booleans())
_CATALOGUES = st.lists(_NODES, max_size=6).map(lambda nodes: Catalogue(tuple(nodes)))


@given(_CATALOGUES, _SETS)
def test_entitled_is_idempotent(catalogue: Catalogue, held: frozenset[str]) -> None:
    """What follows is all there is: nothing follows from it in its turn."""
    found = entitled(catalogue, held)
    assert found.isdisjoint(held)
    assert entitled(catalogue, held | found) == frozenset()


@given(_CATALOGUES, _SETS, _SETS)
def test_entitled_is_monotone(catalogue: Catalogue, held: frozenset[str], more: frozenset[str]) -> None:
    """Who holds more has no less in the end."""
    assert held | entitled(catalogue, held) <= held | more | entitled(catalogue, held | more)


@given(_CATALOGUES, st.lists(st.sampled_from(_IDS), unique=True, max_size=4))
def test_entitled_does_not_depend_on_the_order_of_awards(catalogue: Catalogue, awards: list[str]) -> None:
    """Awarded one after the other in any order, with what follows each time, or all at once: the same is held in the end."""
    ends = set()
    for order in itertools.permutations(awards):
        held: frozenset[str] = frozenset()
        for one in order:
            held |= {one}
            held |= entitled(catalogue, held)
        ends.add(held)
    assert ends == {frozenset(awards) | entitled(catalogue, frozenset(awards))}


@given(_CATALOGUES, _SETS)
def test_steps_come_in_the_order_in_which_they_follow(catalogue: Catalogue, held: frozenset[str]) -> None:
    """Each is complete by those before it, and none comes twice."""
    has = set(held)
    for step in steps(catalogue, held, sorted(held)):
        assert step.achievement not in has
        assert any(node.achievement == step.achievement and node.active and complete(node, has) for node in catalogue.nodes)
        has.add(step.achievement)
