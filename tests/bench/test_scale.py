"""The scale bench asks the right questions: on a smaller database made by the same code, every answer is what the data say."""

import asyncio
import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import asyncpg
import pytest

from bench.scale.__main__ import ask
from bench.scale.finding import Finding
from bench.scale.groups import HUNDRED, Groups
from bench.scale.listings import prove
from bench.scale.lots import Sizes
from bench.scale.manifest import Case
from bench.scale.people import People, stride
from bench.scale.plots import draw
from bench.scale.questions import QUESTIONS, SELDOM
from bench.scale.report import as_json, table, write_into
from bench.scale.site import QUICK, Site, site
from bench.scale.svg import Line, Plot
from bench.seed import seed
from scimsrv.store.migrate import migrate

SIZES = Sizes(users=20_000, groups=200, giant=20_000, tenants=3, tenant_users=100)


@pytest.fixture(scope="module")
def filled() -> Iterator[Site]:
    """A filled database with the server on it."""
    with site(SIZES, QUICK, None) as made:
        yield made


def _rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    async def fetch() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(dsn)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


_SHAPE = (
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1"
)


def test_filling_leaves_the_schema_as_it_was(empty_database: str) -> None:
    """Indexes and constraints are what they were before the load; a second load is refused."""
    asyncio.run(migrate(empty_database))
    before = _rows(empty_database, _SHAPE)
    seed(empty_database, Sizes(users=40, groups=2, giant=40, tenants=1, tenant_users=20), processes=1)
    assert _rows(empty_database, _SHAPE) == before
    assert _rows(empty_database, "SELECT count(*) FROM resource WHERE type = 'User'") == [(60,)]
    with pytest.raises(RuntimeError, match="already"):
        seed(empty_database, SIZES)


def test_rows_are_those_of_a_creation(filled: Site) -> None:
    """A user made by POST from the same document has the same rows as the one that was loaded, but for id and times."""
    people = SIZES.big.people
    number = 7
    body = people.document(number) | {"userName": "somebody else"}
    made = json.loads(filled.reader().ask("POST", "/Users", json.dumps(body).encode(), 201)[0])
    try:
        ids = {people.id(number): "loaded", made["id"]: "made"}
        listed = ", ".join(f"'{id_}'" for id_ in ids)
        rows = _rows(
            filled.dsn,
            "SELECT r.id, r.display, r.document::jsonb - 'id' - 'userName', r.search - 'username',"
            " (SELECT array_agg((k.attribute, k.key, k.substring)::text ORDER BY k.attribute, k.key) FROM resource_key k"
            "  JOIN tenant_index i ON i.tenant = k.tenant AND i.number = k.attribute"
            "  WHERE k.tenant = r.tenant AND k.id = r.id AND i.attribute NOT IN ('username', 'meta.lastmodified')),"
            " (SELECT count(*) FROM resource_key k WHERE k.tenant = r.tenant AND k.id = r.id),"
            " (SELECT count(*) FROM unique_key u WHERE u.tenant = r.tenant AND u.id = r.id),"
            " (SELECT array_agg((c.operation, c.type, c.version)::text) FROM change c WHERE c.tenant = r.tenant AND c.id = r.id)"
            f" FROM resource r WHERE r.id IN ({listed})",
        )
        assert len(rows) == 2
        assert rows[0][1:] == rows[1][1:]
    finally:
        filled.reader().ask("DELETE", f"/Users/{made['id']}", status=204)


def test_every_answer_is_right(filled: Site) -> None:
    """Each question finds what the data say that it must find, and comes to a figure; but for the one that waits for the background."""
    findings, problems = ask(filled, [name for name in QUESTIONS if name not in ("memory", *SELDOM)])
    assert not problems
    assert len(findings) > len(QUESTIONS)
    assert not any("schema" in finding.title for finding in findings)
    if sys.platform == "linux":
        assert [finding.title for finding in findings if finding.figure is None] == []
    rows = next(finding for finding in findings if finding.unit == "rows")
    assert rows.figure == 1
    assert len(table(findings).splitlines()) == 2 + len(findings)


def test_all_cases_are_right(filled: Site) -> None:
    """Not only the first requests of a question, but all that differ in more than the value sought."""
    for tenant in (filled.manifest.big, *filled.manifest.ladder, filled.manifest.small):
        reader = filled.reader(tenant.slug)
        for cases in tenant.cases.values():
            prove(cases[:: max(1, len(cases) // 8)], reader)


def test_a_wrong_answer_is_noticed(filled: Site) -> None:
    """The proof fails for another number of matches, and for another page."""
    case = filled.manifest.big.cases["userName eq"][0]
    for wrong in (Case(case.path, 2, case.ids), Case(case.path, 1, ("other",))):
        with pytest.raises(RuntimeError, match="matches"):
            prove([wrong], filled.reader())


def test_plots_are_drawn(filled: Site) -> None:
    """Both plots have a line for each thing measured, with a point for each size, and are XML."""
    drawn = draw(filled, peer=False)
    assert [size for size, _ in drawn.members] == [10, 100, 1_000, 10_000, 20_000]
    assert {tuple(size for size, _ in line) for line in drawn.sizes.values()} == {(20, 200, 2_000, 20_000)}
    for plot in drawn.plots().values():
        text = plot.svg()
        lines = ElementTree.fromstring(text).findall('.//{http://www.w3.org/2000/svg}path[@class="line"]')
        assert len(lines) == 2 * len(plot.lines)


def test_points_lie_where_they_belong() -> None:
    """A power of ten is an equal step on both axes, and higher values are higher up."""
    text = Plot("t", "a", "b", {"line": Line([(1, 1), (10, 10), (100, 100)])}).svg()
    path = re.search(r'<path class="line" stroke="[^"]+" d="M([^"]+)"', text)
    assert path is not None
    points = [tuple(map(float, point.split())) for point in path[1].split("L")]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(points)]
    assert steps[0] == pytest.approx(steps[1], abs=0.2)
    assert steps[0][0] > 0 > steps[0][1]
    with pytest.raises(ValueError, match="no points"):
        Plot("t", "a", "b", {}).svg()


def test_people_differ_and_stay_the_same() -> None:
    """Ids, names and addresses are unique, ids in the order of creation, and a second run makes the same users."""
    people, again = People(5_000), People(5_000)
    assert [people.document(number) for number in range(50)] == [again.document(number) for number in range(50)]
    for value in (people.id, people.user_name, people.external_id, people.work_email, people.badge, people.rank, people.modified):
        assert len({value(number) for number in range(5_000)}) == 5_000, value
    ids = [people.id(number) for number in range(5_000)]
    assert ids == sorted(ids)
    assert all(people.number(people.rank(number)) == number for number in range(5_000))
    assert all(people.modified(number) >= people.created(number) for number in range(5_000))
    assert 900 < len(json.dumps(people.document(1234), separators=(",", ":"))) < 1_200


@pytest.mark.parametrize("size", [1, 2, 20, 97, 1_000])
def test_a_stride_reaches_every_place(size: int) -> None:
    """Stepping through a ring by a stride visits each place once."""
    assert {number * stride(size) % size for number in range(size)} == set(range(size))


def test_groups_have_the_members_that_are_asked_for() -> None:
    """No member twice, known sizes are true, and the sociable user is in exactly a hundred groups."""
    groups = Groups(People(3_000), 150, 3_000)
    members = {number: list(groups.members(number)) for number in range(groups.count)}
    assert all(len(set(found)) == len(found) for found in members.values())
    assert {size: len(members[number]) for size, number in groups.known.items()} == {size: size for size in (10, 100, 1_000, 3_000)}
    assert len(members[groups.hundred]) == HUNDRED
    assert [number for number, found in members.items() if groups.sociable in found] == groups.of_sociable()
    assert len(groups.of_sociable()) == HUNDRED


@pytest.mark.parametrize("sizes", [{"users": 19}, {"giant": 1_000_001}, {"groups": 0}, {"tenants": 0}, {"tenant_users": 0}])
def test_sizes_that_make_no_tenant_are_refused(sizes: dict[str, int]) -> None:
    """At least 20 users, no more members than users, one group, one small tenant."""
    with pytest.raises(ValueError, match="at least"):
        Sizes(**sizes)


def test_verdicts(tmp_path: Path) -> None:
    """A figure on the bar passes in both directions, none has no verdict; the document's text around the result stays."""
    assert [Finding("t", figure, "c", 3).met for figure in (2.9, 3.0, 3.1, None)] == [True, True, False, None]
    assert [Finding("t", figure, "c", 3, at_least=True).met for figure in (2.9, 3.0, 3.1)] == [False, True, True]
    findings = [Finding("a | b", 2.0, "c", 3, milliseconds=1.5), Finding("c", None, "MiB", 3)]
    document = tmp_path / "scale.md"
    document.write_text("before\n<!-- result -->\nold\n<!-- end of result -->\nafter\n", encoding="utf-8")
    write_into(document, findings, "make bench-scale")
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- result -->\n")
    assert text.endswith("<!-- end of result -->\nafter\n")
    assert "old" not in text
    assert "| a \\| b | 2 c |  | ≤ 3 | PASS | 1.5 ms |" in text
    assert json.loads(as_json(findings, {}, {}))["findings"][1]["met"] is None
    document.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="no place"):
        write_into(document, findings, "make bench-scale")
