"""What is in the database: the big tenant, three of a tenth of the next one's size, and many small ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from bench.scale.groups import Groups
from bench.scale.people import People

BIG = "big"


@dataclass(frozen=True)
class Lot:
    """A tenant with so many users and ordinary groups, and the giant group of `giant` users; without ordinary groups it has none.
    `extended`: with the custom extension and its indexes."""

    slug: str
    users: int
    groups: int
    giant: int
    seed: int
    extended: bool = True

    @cached_property
    def people(self) -> People:
        """The users."""
        return People(self.users, self.seed, self.extended)

    @cached_property
    def in_groups(self) -> Groups:
        """The groups."""
        return Groups(self.people, self.groups, self.giant)

    @property
    def group_count(self) -> int:
        """How many groups there are of any kind."""
        return self.in_groups.count if self.groups else 0


@dataclass(frozen=True)
class Sizes:
    """How much there is of everything."""

    users: int = 1_000_000
    groups: int = 10_000
    giant: int = 1_000_000
    tenants: int = 1_000
    tenant_users: int = 100

    def __post_init__(self) -> None:
        """Raises ValueError for sizes that make no tenant."""
        if not (20 <= self.giant <= self.users and self.groups >= 1 and self.tenants >= 1 and self.tenant_users >= 20):
            raise ValueError("at least 20 users, of whom at least 20 in the giant group and in every tenant, one group, and one tenant")

    @cached_property
    def big(self) -> Lot:
        """The tenant that is measured."""
        return Lot(BIG, self.users, self.groups, self.giant, 1)

    @cached_property
    def ladder(self) -> tuple[Lot, ...]:
        """Tenants of smaller sizes, the smallest first; those of fewer than 20 users are left out."""
        parts = (1_000, 100, 10)
        return tuple(
            Lot(f"part-{part}", self.users // part, max(1, self.groups // part), max(20, self.giant // part), 100 + part)
            for part in parts
            if self.users // part >= 20 and self.giant // part <= self.users // part
        )

    @cached_property
    def small(self) -> tuple[Lot, ...]:
        """The many small tenants beside them; the first, which is asked, is extended."""
        return tuple(
            Lot(f"small-{number:04d}", self.tenant_users, 0, 0, 1_000 + number, extended=number == 0) for number in range(self.tenants)
        )

    @cached_property
    def lots(self) -> tuple[Lot, ...]:
        """All of them."""
        return (self.big, *self.ladder, *self.small)
