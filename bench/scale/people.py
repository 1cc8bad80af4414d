"""The users of a large tenant, each made from its number: about 1 kB that differ in every value, the same in every run.

A user's place in any order but that of ids is its *rank*, a shuffling of the numbers: so nothing that is looked for lies together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CUSTOM: Final = "urn:example:params:scim:schemas:extension:workplace:2.0:User"

#: The tenant's own extension of the User.
CUSTOM_SCHEMA: Final[dict[str, Any]] = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
    "id": CUSTOM,
    "name": "Workplace",
    "description": "Where and how somebody works",
    "attributes": [
        {"name": "badge", "type": "string", "multiValued": False, "description": "What opens doors"},
        {"name": "level", "type": "integer", "multiValued": False, "description": "What it opens"},
        {"name": "since", "type": "dateTime", "multiValued": False, "description": "Since when"},
        {"name": "remote", "type": "boolean", "multiValued": False, "description": "Whether from elsewhere"},
        {
            "name": "desks",
            "type": "complex",
            "multiValued": True,
            "description": "Where to be found",
            "subAttributes": [
                {"name": "room", "type": "string", "multiValued": False, "description": "The room"},
                {"name": "floor", "type": "integer", "multiValued": False, "description": "The floor"},
            ],
        },
    ],
}

#: What the tenant has indexed beyond the standard.
INDEXED: Final = (f"{ENTERPRISE}:department", f"{CUSTOM}:badge", f"{CUSTOM}:level")

DEPARTMENTS: Final = 200
_LEVELS: Final = 100_000
FAMILY: Final = 50
"""Users that share a family name."""

_GIVEN: Final = (
    *("Ada", "Alan", "Anna", "Barbara", "Blaise", "Carl", "Charles", "Claude", "Dorothy", "Edith", "Edsger", "Emmy", "Frances", "George"),
    *("Grace", "Hedy", "Irene", "Jean", "Joan", "John", "Katherine", "Kurt", "Lise", "Margaret", "Marie", "Mary", "Niklaus", "Radia"),
    *("Rózsa", "Sofja", "Åse", "Émilie"),
)
_CONSONANTS: Final = "bcdfghjklmnpqrstvwxz"
_VOWELS: Final = "aeiou"
_WORDS: Final = len(_CONSONANTS) ** 3 * len(_VOWELS) ** 2

#: The first user was created then, the last one three years later.
_FIRST: Final = datetime(2023, 1, 2, tzinfo=UTC)
_SPAN_MILLISECONDS: Final = 3 * 365 * 86_400_000
_LAST: Final = _FIRST + timedelta(milliseconds=_SPAN_MILLISECONDS)

#: Every so many-th user was changed after its creation, one after another.
CHANGED: Final = 4
_BETWEEN_CHANGES: Final = timedelta(seconds=7)


def mixed(seed: int, number: int) -> int:
    """64 bits that look random and are the same every time (the finaliser of SplitMix64)."""
    value = (seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + 0x8CB92BA72F3D8DD7) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return value ^ value >> 31


def stride(size: int, share: float = 0.618) -> int:
    """A step of about that share of a ring of `size` places with which all places are reached."""
    step = max(1, int(size * share))
    while math.gcd(step, size) != 1:
        step += 1
    return step


def make_id(seed: int, number: int, created: datetime) -> str:
    """A UUIDv7 (RFC 9562 §5.7) of that time, as the server makes them, with bits that come from the number."""
    milliseconds = (created - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    random = mixed(seed, number)
    text = f"{milliseconds << 80 | 0x7 << 76 | (random & 0xFFF) << 64 | 0b10 << 62 | random >> 2:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True)
class People:
    """`size` users, numbered from 0; another `seed` gives others. `custom`: they have the tenant's own extension."""

    size: int
    seed: int = 1
    custom: bool = True

    @cached_property
    def _factor(self) -> int:
        return stride(self.size)

    @cached_property
    def _change_factor(self) -> int:
        return stride(self.changes)

    def rank(self, number: int) -> int:
        """The user's place when all are shuffled."""
        return number * self._factor % self.size

    def number(self, rank: int) -> int:
        """The user at that place."""
        return rank * pow(self._factor, -1, self.size) % self.size

    def created(self, number: int) -> datetime:
        """When the user was created: in the order of numbers, in whole milliseconds."""
        return _FIRST + timedelta(milliseconds=number * _SPAN_MILLISECONDS // self.size)

    def modified(self, number: int) -> datetime:
        """When the user was last changed."""
        return self.created(number) if number % CHANGED else self.change(number // CHANGED * self._change_factor % self.changes)

    @property
    def changes(self) -> int:
        """How many users were changed after their creation."""
        return -(-self.size // CHANGED)

    def change(self, number: int) -> datetime:
        """When that change was."""
        return _LAST + (number + 1) * _BETWEEN_CHANGES

    def id(self, number: int) -> str:
        """The user's id; ids are in the order of numbers."""
        return make_id(self.seed, number, self.created(number))

    # -- what is looked for ----------------------------------------------------------------------------------------

    def user_name(self, number: int) -> str:
        """Unique; in the order of ranks."""
        rank = self.rank(number)
        return f"U{rank:07d}.{_word(rank // FAMILY).capitalize()}@example.com"

    def external_id(self, number: int) -> str:
        """Unique."""
        return f"{mixed(self.seed + 1, number):016X}"

    def work_email(self, number: int) -> str:
        """Unique."""
        rank = self.rank(number)
        return f"{_word(rank // FAMILY)}.{rank}@work.example.com"

    def family_name(self, number: int) -> str:
        """Five letters, shared by 50 users."""
        return _word(self.rank(number) // FAMILY).capitalize()

    def given_name(self, number: int) -> str:
        """One of a few."""
        return _GIVEN[mixed(self.seed + 2, number) % len(_GIVEN)]

    def department(self, number: int) -> str:
        """One of 200, of equal size."""
        return f"Department {self.rank(number) % DEPARTMENTS:03d}"

    def active(self, number: int) -> bool:
        """True for two thirds."""
        return self.rank(number) % 3 != 0

    def badge(self, number: int) -> str:
        """Unique, the custom string."""
        return f"Badge-{mixed(self.seed + 3, number):016x}"

    def level(self, number: int) -> int:
        """The custom integer, one of 100,000."""
        return mixed(self.seed + 4, number) % _LEVELS - _LEVELS // 4

    # -- the whole -------------------------------------------------------------------------------------------------

    def document(self, number: int) -> dict[str, Any]:
        """The body that creates the user."""
        rank = self.rank(number)
        word = _word(rank // FAMILY)
        family, given = word.capitalize(), self.given_name(number)
        name = f"{given} {family}"
        body: dict[str, Any] = {
            "schemas": [USER, ENTERPRISE, CUSTOM] if self.custom else [USER, ENTERPRISE],
            "externalId": self.external_id(number),
            "userName": self.user_name(number),
            "name": {"familyName": family, "givenName": given, "formatted": name},
            "displayName": name,
            "title": f"Engineer {rank % 37}",
            "preferredLanguage": "en-GB" if rank % 5 else "de-AT",
            "timezone": "Europe/Vienna",
            "active": rank % 3 != 0,
            "emails": [
                {"value": f"{word}.{rank}@work.example.com", "type": "work", "primary": True},
                {"value": f"{word}.{rank}@home.example.org", "type": "home"},
            ],
            "phoneNumbers": [{"value": f"tel:+43-1-{rank:07d}", "type": "work"}],
            "addresses": [
                {
                    "streetAddress": f"{rank % 997} Analytical Street",
                    "locality": f"Town {rank % 1013}",
                    "postalCode": f"{rank % 9000 + 1000}",
                    "country": "AT",
                    "type": "work",
                }
            ],
            ENTERPRISE: {
                "employeeNumber": f"{rank:08d}",
                "costCenter": f"C{rank % 89}",
                "department": f"Department {rank % DEPARTMENTS:03d}",
            },
        }
        if self.custom:
            body[CUSTOM] = {
                "badge": self.badge(number),
                "level": self.level(number),
                "since": f"20{rank % 20 + 10}-{rank % 12 + 1:02d}-{rank % 28 + 1:02d}T{rank % 24:02d}:00:00Z",
                "remote": rank % 2 == 0,
                "desks": [{"room": f"R{(rank + desk) % 5003}", "floor": (rank + desk) % 40} for desk in range(1 + rank % 3)],
            }
        return body


def is_plain(family_name: str) -> bool:
    """Whether the family name is in no given name, so that looking for it finds those 50 alone."""
    return family_name.casefold() not in " ".join(_GIVEN).casefold()


def _word(number: int) -> str:
    """Five letters, consonants and vowels by turns; different for every number below 200,000."""
    letters, rest = [], (number * 73_939 + 11) % _WORDS
    for alphabet in (_CONSONANTS, _VOWELS, _CONSONANTS, _VOWELS, _CONSONANTS):
        rest, letter = divmod(rest, len(alphabet))
        letters.append(alphabet[letter])
    return "".join(letters)
