"""Denied attempts are counted, and written down seldom: no flood of them makes many rows."""

from __future__ import annotations

from scimsrv.denials import KEPT, KEPT_OF_NOBODY, KEPT_OF_TENANT, PERIOD, DenialCounter


class _Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def _add(counter: DenialCounter, slug: str = "acme", actor: str = "", status: int = 401, method: str = "GET") -> None:
    counter.add(slug, actor, status, method, "users", "why", "192.0.2.1")


def test_the_first_at_once_the_others_counted() -> None:
    """The first attempt is due at once; those that follow are due together when the period is over."""
    clock = _Clock()
    counter = DenialCounter(clock)
    _add(counter)
    (first,) = counter.due()
    assert (first.slug, first.actor, first.said["count"], first.said["reason"]) == ("acme", "", 1, "why")
    for _ in range(1_000):
        _add(counter)
    assert list(counter.due()) == []
    clock.time += PERIOD
    (later,) = counter.due()
    assert later.said["count"] == 1_000
    assert list(counter.due(everything=True)) == []


def test_everything_before_the_end() -> None:
    """What is counted and not due yet is written down before a server stops."""
    counter = DenialCounter(_Clock())
    _add(counter)
    list(counter.due())
    _add(counter)
    assert [one.said["count"] for one in counter.due(everything=True)] == [1]


def test_kinds_are_told_apart() -> None:
    """By tenant, actor, status and method, and by nothing that can be made up at will."""
    counter = DenialCounter(_Clock())
    kinds = [("acme", "", 401, "GET"), ("acme", "", 401, "POST"), ("acme", "k1", 403, "GET"), ("acme", "k2", 403, "GET")]
    for slug, actor, status, method in [*kinds, ("beta", "", 401, "GET")] * 2:
        _add(counter, slug, actor, status, method)
    assert [one.said["count"] for one in counter.due()] == [2] * 5


def test_a_tenant_has_so_many_kinds() -> None:
    """What is beyond is counted as one, so that the rows of a period have a bound."""
    counter = DenialCounter(_Clock())
    for number in range(1_000):
        _add(counter, actor=f"k{number}")
    found = list(counter.due())
    assert len(found) == KEPT_OF_TENANT + 1
    assert sum(one.said["count"] for one in found) == 1_000


def test_all_tenants_together_have_so_many() -> None:
    """Made-up tenants take no more memory than that, and leave room for whoever was let in; once they are known to be made up, for all."""
    counter = DenialCounter(_Clock())
    for number in range(2 * KEPT):
        _add(counter, slug=f"t{number}")
    _add(counter, slug="acme")
    for number in range(KEPT):
        _add(counter, slug=f"u{number}", actor="k1", status=403)
    found = list(counter.due())
    assert len(found) == KEPT
    assert {one.actor for one in found} == {"", "k1"}
    assert "acme" not in {one.slug for one in found}
    counter.forget({one.slug for one in found})
    _add(counter, slug="acme")
    _add(counter, slug="acme", actor="k1", status=403)
    assert [(one.slug, one.actor) for one in counter.due()] == [("acme", ""), ("acme", "k1")]


def test_what_nobody_tries_any_more_is_forgotten() -> None:
    """A kind that rests for a period makes room for others."""
    clock = _Clock()
    counter = DenialCounter(clock)
    for number in range(KEPT_OF_NOBODY):
        _add(counter, slug=f"t{number}")
    list(counter.due())
    _add(counter, slug="new")
    assert list(counter.due()) == []
    clock.time += PERIOD
    assert list(counter.due()) == []
    _add(counter, slug="new")
    assert [one.slug for one in counter.due()] == ["new"]
