"""What the database holds, as gauges: bounded in number, looked at seldom, and never in the way of a scrape."""

from __future__ import annotations

import asyncio

from scimsrv.allowance import Allowance
from scimsrv.store.survey import OF_ALL, Holding, Survey
from scimsrv.surveying import INTERVAL, MOST_RESOURCES, Surveyor, gauges


def _survey(*holdings: Holding, endings: int = 0, tenants: int = 0) -> Survey:
    slugs = [f"t{number}" for number in range(tenants)] or sorted({one.slug for one in holdings})
    return Survey(slugs, holdings, [(f"t{number}", "abcdef", 1.0) for number in range(endings)], 5.0, 0.0, 0, 0.0, 0)


def _resources(survey: Survey, tenants: Allowance) -> dict[tuple[str, str, str], float]:
    found = [(labels, value) for name, labels, value in gauges(survey, tenants) if name == "scim_resources"]
    return {(labels["tenant"], labels["resource_type"], labels["active"]): value for labels, value in found}


def test_types_and_activity() -> None:
    """Types that a tenant made up are one; users are told by whether they are active, where an index knows."""
    made = [Holding("a", "User", 9, 2), Holding("a", "Robot", 3, 0), Holding("a", "Lamp", 4, 0), Holding("b", "User", 5, None)]
    assert _resources(_survey(*made), Allowance(2)) == {
        ("a", "User", "true"): 7,
        ("a", "User", "false"): 2,
        ("a", "custom", "true"): 7,
        ("b", "User", ""): 5,
    }


def test_more_tenants_than_labels() -> None:
    """Those keep their labels that have one for what they do, the others are one; no number is lost."""
    tenants = Allowance(1)
    tenants.label("b")
    made = [Holding(slug, "Group", number, 0) for number, slug in enumerate("abc", 1)]
    assert _resources(_survey(*made), tenants) == {("other", "Group", "true"): 4, ("b", "Group", "true"): 2}
    assert _resources(_survey(*made), Allowance(0)) == {("", "Group", "true"): 6}


def test_there_is_a_bound() -> None:
    """Whatever is in the database, series have the bounds that the budget of a process counts on."""
    types = [("User", 1), ("Group", 0), ("Robot", 0)]
    made = [Holding(f"t{number}", type_, 2, inactive) for number in range(2_000) for type_, inactive in types]
    found = _resources(_survey(*made, tenants=2_000), Allowance(2_000))
    assert MOST_RESOURCES <= len(found) <= MOST_RESOURCES + 4
    assert sum(found.values()) == 2_000 * 6
    assert len(list(gauges(_survey(*made, endings=OF_ALL, tenants=2_000), Allowance(200)))) <= 1_000


async def test_looks_are_seldom() -> None:
    """Once a minute, however often it is asked, more seldom where a look takes long; one that fails shows nothing instead of what was."""
    at, looks, takes = 0.0, 0, 0.0

    async def look() -> Survey:
        nonlocal at, looks
        looks += 1
        at += takes
        if looks == 3:
            raise OSError
        return _survey(Holding("a", "User", looks, 0))

    surveyor = Surveyor(look, lambda: at)
    shown = []
    for at, takes in ((0.0, 0.0), (INTERVAL - 1, 0.0), (INTERVAL, 10.0), (INTERVAL + 900, 0.0), (INTERVAL + 1_011, 0.0)):  # noqa: B007
        seen = await surveyor.seen()
        shown.append(seen and seen.holdings[0].resources)
    assert shown == [1, 1, 2, 2, None]


async def test_a_look_that_hangs_keeps_no_scrape_waiting() -> None:
    """What it finds shows later; it ends with the server."""
    hangs = asyncio.Event()

    async def look() -> Survey:
        await hangs.wait()
        return _survey()

    surveyor = Surveyor(look, patience=0.01)
    assert await surveyor.seen() is None
    hangs.set()
    assert await surveyor.seen() is not None
    await surveyor.stop()
