"""What may be asked of the filled database, and the right answers: computed from the same numbers that the documents are made of."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

import orjson

from bench.scale.lots import Lot, Sizes
from bench.scale.people import CHANGED, CUSTOM, DEPARTMENTS, ENTERPRISE, FAMILY, is_plain, mixed

PAGE: Final = 100

#: Different requests of a kind, so that no single row is all that is asked for.
_MANY: Final = 500
_SOME: Final = 20


@dataclass(frozen=True, slots=True)
class Case:
    """A list request (a path below the tenant's URL) and its answer: `total` matches, of which the page shows `ids` in this order."""

    path: str
    total: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tenant:
    """What may be asked of one tenant: `cases` by the name of their question, some `users` by id, `groups` by how many members they
    have."""

    slug: str
    users: int
    some_users: tuple[str, ...]
    groups: dict[int, str]
    cases: dict[str, tuple[Case, ...]]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in the database: its sizes, the big tenant, those of increasing size, and one of the small ones."""

    sizes: Sizes
    big: Tenant
    ladder: tuple[Tenant, ...]
    small: Tenant

    @staticmethod
    def of(sizes: Sizes) -> Manifest:
        """The manifest of a database filled with these sizes."""
        return Manifest(
            sizes, _Asked(sizes.big).tenant(), tuple(_Asked(lot).tenant() for lot in sizes.ladder), _Asked(sizes.small[0]).tenant()
        )

    def to_json(self) -> bytes:
        """As a JSON document."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)


@dataclass(frozen=True, slots=True)
class _Asked:
    lot: Lot

    def tenant(self) -> Tenant:
        lot = self.lot
        groups = {size: lot.in_groups.id(number) for size, number in lot.in_groups.known.items()} if lot.groups else {}
        return Tenant(lot.slug, lot.users, tuple(lot.people.id(number) for number in self._sample(2_000)), groups, self._cases())

    def _sample(self, most: int) -> list[int]:
        """Numbers of users from everywhere, at most so many."""
        return list(dict.fromkeys(mixed(99, place) % self.lot.users for place in range(most)))

    def _cases(self) -> dict[str, tuple[Case, ...]]:
        people = self.lot.people
        single: dict[str, Callable[[int], str]] = {
            "userName eq": lambda n: f'userName eq "{people.user_name(n)}"',
            "externalId eq": lambda n: f'externalId eq "{people.external_id(n)}"',
            "emails.value eq": lambda n: f'emails.value eq "{people.work_email(n)}"',
            "emails[] eq": lambda n: f'emails[type eq "work" and value eq "{people.work_email(n)}"]',
            "id eq": lambda n: f'id eq "{people.id(n)}"',
        }
        if self.lot.extended:
            single["custom eq"] = lambda n: f'{CUSTOM}:badge eq "{people.badge(n)}"'
        cases = {
            name: tuple(Case(_users(filter_(number)), 1, (people.id(number),)) for number in self._sample(_MANY))
            for name, filter_ in single.items()
        }
        cases["page 1"] = (Case(f"/Users?count={PAGE}", self.lot.users, self._ids(range(min(PAGE, self.lot.users)))),)
        cases["page 1 without groups"] = tuple(
            Case(case.path + "&excludedAttributes=groups", case.total, case.ids) for case in cases["page 1"]
        )
        return cases | (self._rich_cases() if self.lot.groups else {})

    def _rich_cases(self) -> dict[str, tuple[Case, ...]]:
        lot, people, groups = self.lot, self.lot.people, self.lot.in_groups
        start = lot.users * 9 // 10
        sociable, hundred = people.id(groups.sociable), groups.id(groups.hundred)
        of_sociable = groups.of_sociable()
        members = sorted(groups.members(groups.hundred))
        return {
            "members.value eq": (
                Case(
                    "/Groups?filter=" + quote(f'members.value eq "{sociable}"') + "&excludedAttributes=members",
                    len(of_sociable),
                    tuple(groups.id(number) for number in of_sociable[:PAGE]),
                ),
            ),
            "groups.value eq": (Case(_users(f'groups.value eq "{hundred}"'), len(members), self._ids(members[:PAGE])),),
            "userName sw": tuple(self._starting(number) for number in self._sample(_SOME)),
            "lastModified gt": (self._changed_after(),),
            "displayName co": tuple(self._named(number) for number in self._sample(_SOME) if is_plain(people.family_name(number))),
            **self._by_department(),
            "active eq": (self._matching("active eq true", people.active, range(lot.users)),),
            "sortBy userName": (self._sorted("userName", people.user_name),),
            "sortBy custom integer": (self._sorted(f"{CUSTOM}:level", people.level),),
            "deep page": (
                Case(f"/Users?startIndex={start + 1}&count={PAGE}", lot.users, self._ids(range(start, min(start + PAGE, lot.users)))),
            ),
        }

    def _by_department(self) -> dict[str, tuple[Case, ...]]:
        people = self.lot.people
        some = [(n, people.department(n), f'{ENTERPRISE}:department eq "{people.department(n)}"') for n in self._sample(_SOME)]
        rows = self._of_departments()
        families = {number: people.family_name(number) for number, _, _ in some}
        return {
            "department eq": tuple(self._matching(filter_, _everybody, rows[name]) for _, name, filter_ in some),
            "active and department": tuple(
                self._matching(f"active eq true and {filter_}", people.active, rows[name]) for _, name, filter_ in some
            ),
            "not department ne": tuple(
                self._matching(f'not ({ENTERPRISE}:department ne "{name}")', _everybody, rows[name]) for _, name, _ in some
            ),
            "or": tuple(
                self._matching(
                    f'{filter_} or name.familyName eq "{families[number]}"',
                    _everybody,
                    sorted({*rows[name], *self._of_family(number)}),
                )
                for number, name, filter_ in some
            ),
        }

    def _of_departments(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        names = [f"Department {department:03d}" for department in range(DEPARTMENTS)]
        people = self.lot.people
        for number in range(self.lot.users):
            found.setdefault(names[people.rank(number) % DEPARTMENTS], []).append(number)
        return found

    def _of_family(self, number: int) -> list[int]:
        return sorted(self._by_rank(self.lot.people.rank(number) // FAMILY * FAMILY, FAMILY))

    def _by_rank(self, first: int, count: int) -> list[int]:
        """The numbers of the users with these ranks."""
        people = self.lot.people
        return [people.number(rank) for rank in range(first, min(first + count, self.lot.users))]

    def _starting(self, number: int) -> Case:
        """The hundred users whose userNames agree but for the last two digits of their ranks."""
        rank = self.lot.people.rank(number)
        return self._matching(f'userName sw "U{rank // 100:05d}"', _everybody, sorted(self._by_rank(rank // 100 * 100, 100)))

    def _named(self, number: int) -> Case:
        filter_ = f'displayName co "{self.lot.people.family_name(number).lower()}"'
        return self._matching(filter_, _everybody, self._of_family(number))

    def _changed_after(self) -> Case:
        people = self.lot.people
        last = people.changes
        since = people.change(max(0, last - 1_001))

        def changed(number: int) -> bool:
            return people.modified(number) > since

        return self._matching(f'meta.lastModified gt "{_instant(since)}"', changed, range(0, self.lot.users, CHANGED))

    def _sorted(self, name: str, key: Callable[[int], Any]) -> Case:
        first = heapq.nsmallest(PAGE, ((key(number), number) for number in range(self.lot.users)))
        return Case(f"/Users?sortBy={quote(name)}&count={PAGE}", self.lot.users, self._ids(number for _, number in first))

    def _matching(self, filter_: str, condition: Callable[[int], bool], numbers: Iterable[int]) -> Case:
        found = [number for number in numbers if condition(number)]
        return Case(_users(filter_), len(found), self._ids(islice(found, PAGE)))

    def _ids(self, numbers: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.lot.people.id(number) for number in numbers)


def _users(filter_: str) -> str:
    return f"/Users?filter={quote(filter_)}&count={PAGE}"


def _everybody(_number: int) -> bool:
    return True


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
