"""What follows from awards: a catalogue as nodes, and the achievements that somebody is entitled to by those they hold.

A mini badge counts for its skill, a skill for its programme, a capstone for its programme. All functions are pure; what is held is the
set of achievements with a live award.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from scimsrv.schema.document import Document

AchievementId = str

#: Begins the id that stands for a skill without an achievement, which nobody can hold.
_NOBODYS: Final = "skill "


@dataclass(frozen=True, slots=True)
class Node:
    """A skill or programme by its achievement. `children` are the required active achievements that belong to it, `capstones` the required
    active ones; `rule` says how many of these it takes. An inactive node is never awarded."""

    achievement: AchievementId
    children: frozenset[AchievementId]
    capstones: frozenset[AchievementId] = frozenset()
    rule: Literal["any", "all"] = "any"
    active: bool = True


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The skills and programmes of a tenant, or those that some achievements can matter for."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """An achievement that follows, and the one of those before it that completed it; None where nothing new did."""

    achievement: AchievementId
    because: AchievementId | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a node somebody holds: required parts (capstones included) held and in all, whole percent rounded down, and what is
    missing, in order."""

    achievement: AchievementId
    earned: int
    total: int
    missing: tuple[AchievementId, ...]

    @property
    def percent(self) -> int:
        """Whole percent, rounded down; 0 of nothing."""
        return self.earned * 100 // self.total if self.total else 0


def complete(node: Node, held: Iterable[AchievementId]) -> bool:
    """Whether the node is complete: it has a child, all of them are held, and so are the capstones as its rule says."""
    has = frozenset(held)
    if not node.children or not node.children <= has:
        return False
    if not node.capstones:
        return True
    return node.capstones <= has if node.rule == "all" else not node.capstones.isdisjoint(has)


def entitled(catalogue: Catalogue, held: frozenset[AchievementId]) -> frozenset[AchievementId]:
    """Achievements that follow from those held and are not among them. Terminates because the set only grows."""
    return frozenset(step.achievement for step in steps(catalogue, held, ()))


def steps(catalogue: Catalogue, held: frozenset[AchievementId], new: Iterable[AchievementId]) -> list[Step]:
    """The same, each after what it follows from, with its cause: the last of the `new` achievements, or of those that follow from them,
    that is a part of it."""
    earned, recent = set(held), [*new]
    found: list[Step] = []
    while True:
        due = {
            node.achievement: node
            for node in sorted(catalogue.nodes, key=lambda node: node.achievement)
            if node.active and node.achievement not in earned and complete(node, earned)
        }
        if not due:
            return found
        for achievement, node in due.items():
            parts = node.children | node.capstones
            found.append(Step(achievement, next((one for one in reversed(recent) if one in parts), None)))
        earned |= due.keys()
        recent += due


def unfounded(catalogue: Catalogue, given: frozenset[AchievementId], automatic: frozenset[AchievementId]) -> frozenset[AchievementId]:
    """Those of the automatic achievements that do not follow from the `given` ones (any more)."""
    return automatic - given - entitled(catalogue, given)


def bereft(
    catalogue: Catalogue, held: frozenset[AchievementId], automatic: frozenset[AchievementId], gone: frozenset[AchievementId]
) -> frozenset[AchievementId]:
    """Those of the automatic achievements held that are made of what is `gone`, or of each other, and do not follow from what is left.

    What they followed from when they were awarded may have expired since, and the catalogue may ask for more: that alone takes nothing.
    """
    touched: set[AchievementId] = set()
    while more := {
        node.achievement
        for node in catalogue.nodes
        if node.achievement in automatic - touched and not (node.children | node.capstones).isdisjoint(gone | touched)
    }:
        touched |= more
    return frozenset(touched - entitled(catalogue, held - touched))


def progress(node: Node, held: frozenset[AchievementId]) -> Progress:
    """How far somebody is with a node. Of capstones of which any one is enough, one counts."""
    missing = sorted(node.children - held)
    earned, total = len(node.children & held), len(node.children)
    if node.capstones and node.rule == "all":
        missing += sorted(node.capstones - held)
        earned, total = earned + len(node.capstones & held), total + len(node.capstones)
    elif node.capstones:
        has = not node.capstones.isdisjoint(held)
        missing += [] if has else sorted(node.capstones)
        earned, total = earned + has, total + 1
    return Progress(node.achievement, earned, total, tuple(missing))


def build(programs: Mapping[str, Document], skills: Mapping[str, Document], achievements: Mapping[str, Document]) -> Catalogue:
    """The catalogue of these resources, by their ids.

    What is inactive counts for nothing and is not awarded; a skill whose achievement is inactive is retired with it. A skill without an
    achievement cannot be held, and keeps its programme from being complete.
    """
    own = {parent_of(document): id_ for id_, document in achievements.items() if document["kind"] in WHOLES}
    nodes = []
    for id_, skill in skills.items():
        if id_ in own:
            parts = _parts(achievements, id_, "mini")
            nodes.append(Node(own[id_], parts, active=_is_active(skill) and _is_active(achievements[own[id_]])))
    for id_, program in programs.items():
        if id_ not in own:
            continue
        children = {
            own.get(skill_id, _NOBODYS + skill_id)
            for skill_id, skill in skills.items()
            if skill["program"]["value"] == id_ and _counts(skill) and (skill_id not in own or _is_active(achievements[own[skill_id]]))
        }
        active = _is_active(program) and _is_active(achievements[own[id_]])
        rule: Literal["any", "all"] = "all" if program.get("capstoneRule") == "all" else "any"
        nodes.append(Node(own[id_], frozenset(children), _parts(achievements, id_, "capstone"), rule, active))
    return Catalogue(tuple(nodes))


#: What of a resource of the catalogue decides what follows, by its type.
_DECISIVE: Final[Mapping[str, tuple[str, ...]]] = {
    "BadgeProgram": ("active", "capstoneRule"),
    "BadgeSkill": ("active", "required", "program"),
    "Achievement": ("active", "required", "parent"),
}

#: Kinds of achievements that follow from others.
WHOLES: Final = frozenset({"skill", "program"})

#: Kinds of achievements that others follow from. New ones entitle nobody to anything, but more is needed now.
_PARTS: Final = frozenset({"mini", "capstone"})


def decides(type_: str, before: Document | None, after: Document | None, *, less: bool) -> bool:
    """Whether a change of a resource of the catalogue (None: it comes or goes) may make another set of achievements follow from what
    somebody holds; `less`: also one that can only be smaller."""
    one = after or before or {}
    if type_ == "Achievement" and (one["kind"] == "progress" or (parent_of(one) is None and parent_of(before or {}) is None)):
        return False
    if before is None:
        return less or (type_ == "Achievement" and one["kind"] not in _PARTS)
    if after is None:
        return True
    return any(_decisive(before, name) != _decisive(after, name) for name in _DECISIVE[type_])


def _decisive(document: Document, name: str) -> Any:
    held = document.get(name)
    return held.get("value") if isinstance(held, dict) else held


def parent_of(document: Document) -> str | None:
    """The id of the skill or programme that an achievement belongs to, or None."""
    parent: dict[str, Any] = document.get("parent") or {}
    return parent.get("value")


def _parts(achievements: Mapping[str, Document], parent: str, kind: str) -> frozenset[AchievementId]:
    return frozenset(id_ for id_, one in achievements.items() if one["kind"] == kind and parent_of(one) == parent and _counts(one))


def _is_active(document: Document) -> bool:
    return document.get("active") is not False


def _counts(document: Document) -> bool:
    return _is_active(document) and document.get("required") is not False
