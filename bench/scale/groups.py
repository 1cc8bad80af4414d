"""The groups of a large tenant: thousands of 1 to 1,000 members, some of a known size, and one that all are in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from bench.scale.people import People, make_id, mixed, stride

GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"

#: Groups that the sociable user is in, and members of the middle group, where there are that many.
HUNDRED: Final = 100

_LARGEST: Final = 1_000
_SIZES: Final = (10, 100, 1_000, 10_000, 100_000)
_BETWEEN: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class Groups:
    """Numbered from 0: `ordinary` ones, the one of a hundred, one of each known size below the giant, and the giant, which has the
    first `giant` users."""

    people: People
    ordinary: int
    giant: int

    @cached_property
    def sociable(self) -> int:
        """The number of the user who is in just a hundred groups, or in all where there are fewer."""
        return self.giant // 2

    @cached_property
    def hundred(self) -> int:
        """The number of the group of a hundred."""
        return self.ordinary

    @cached_property
    def known(self) -> dict[int, int]:
        """Numbers of the groups for measuring, by how many members they have; the giant is the last."""
        sizes = [*(size for size in _SIZES if size < self.giant), self.giant]
        return {size: self.ordinary + 1 + place for place, size in enumerate(sizes)}

    @property
    def count(self) -> int:
        """How many groups there are."""
        return self.ordinary + 1 + len(self.known)

    @cached_property
    def _size_of(self) -> dict[int, int]:
        return {number: size for size, number in self.known.items()} | {self.hundred: min(HUNDRED, self.people.size - 1)}

    def of_sociable(self) -> list[int]:
        """The groups that the sociable user is in, in the order of their ids."""
        return [*range(min(HUNDRED - 1, self.ordinary)), self.count - 1]

    def created(self, number: int) -> datetime:
        """When the group was created."""
        return self.people.created(0) + (number + 1) * _BETWEEN

    def modified(self, number: int) -> datetime:
        """When the group was last changed: never since."""
        return self.created(number)

    def id(self, number: int) -> str:
        """The group's id; ids are in the order of numbers."""
        return make_id(self.people.seed + 7, number, self.created(number))

    def document(self, number: int) -> dict[str, Any]:
        """The body that creates the group, without members."""
        return {"schemas": [GROUP], "externalId": f"G{mixed(self.people.seed + 8, number):015X}", "displayName": f"Group {number:06d}"}

    def members(self, number: int) -> Iterator[int]:
        """The numbers of the group's members, each once."""
        if number == self.count - 1:
            yield from range(self.giant)
            return
        everybody = self.people.size
        size = self._size_of.get(number) or 1 + mixed(self.people.seed + 9, number) % min(_LARGEST, everybody - 1)
        if number in range(min(HUNDRED - 1, self.ordinary)):
            yield self.sociable
            size -= 1
        place = mixed(self.people.seed + 10, number) % everybody
        step = stride(everybody, 0.05 + number % 89 / 100)
        while size:
            if place != self.sociable:
                yield place
                size -= 1
            place = (place + step) % everybody
