"""Questions about lists: what is asked (by its name in the manifest), and how many c it may take. Every answer is proven first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from bench.scale.finding import Finding
from bench.scale.manifest import Case, Tenant
from bench.scale.site import Reader, Site
from bench.scale.timing import against_ceiling

#: Requests of a question whose answers are compared; the others differ in the value sought only.
_PROVEN: Final = 5


@dataclass(frozen=True, slots=True)
class Listing:
    """The cases named `cases` in the manifest may take `bar` c. `single`: one match, asked of a small tenant too."""

    cases: str
    title: str
    bar: float
    single: bool = False


LISTINGS: Final = (
    Listing("userName eq", "userName eq", 3, single=True),
    Listing("externalId eq", "externalId eq", 3, single=True),
    Listing("emails.value eq", "emails.value eq", 3, single=True),
    Listing("emails[] eq", 'emails[type eq "work" and value eq …]', 3, single=True),
    Listing("custom eq", "custom string eq", 3, single=True),
    Listing("id eq", "id eq", 3, single=True),
    Listing("members.value eq", "members.value eq, without members", 10),
    Listing("groups.value eq", "groups.value eq", 10),
    Listing("userName sw", "userName sw", 12),
    Listing("lastModified gt", "meta.lastModified gt", 12),
    Listing("department eq", "department eq", 80),
    Listing("displayName co", "displayName co, five characters", 200),
    Listing("active and department", "active eq true and department eq", 120),
    Listing("not department ne", "not (department ne …)", 120),
    Listing("or", "department eq … or name.familyName eq …", 120),
    Listing("active eq", "active eq true", 800),
    Listing("page 1", "page 1, no filter", 15),
    Listing("page 1 without groups", "page 1, no filter, without groups", 15),
    Listing("sortBy userName", "sortBy userName, page 1", 20),
    Listing("sortBy custom integer", "sortBy custom integer, page 1", 20),
    Listing("deep page", "startIndex at nine tenths", 500),
)


def asked(listing: Listing, site: Site) -> Iterator[Finding]:
    """Prove the answers, then time them. Raises RuntimeError when an answer is wrong."""
    yield _asked(listing, site, site.manifest.big, "")
    if listing.single and listing.cases in site.manifest.small.cases:
        yield _asked(listing, site, site.manifest.small, f", tenant of {site.manifest.small.users}")


def _asked(listing: Listing, site: Site, tenant: Tenant, where: str) -> Finding:
    cases = tenant.cases[listing.cases]
    prove(cases[:_PROVEN], site.reader(tenant.slug))
    most = max(case.total for case in cases)
    return against_ceiling(
        site, listing.title + where, tuple(site.get(case.path, tenant.slug) for case in cases), listing.bar, f"n = {most:,}"
    )


def prove(cases: Iterable[Case], reader: Reader) -> None:
    """Ask once, and compare the number of all matches and the page. Raises RuntimeError for a wrong answer."""
    for case in cases:
        answer = reader.json(case.path)
        ids = tuple(resource["id"] for resource in answer.get("Resources", ()))
        if answer["totalResults"] != case.total or ids != case.ids:
            raise RuntimeError(f"{case.path}: {answer['totalResults']} matches where there are {case.total}, or another page")
