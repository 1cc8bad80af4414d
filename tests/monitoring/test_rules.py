"""Rules and alerts: what promtool says of them, and that each alert is tested, and has a runbook that can be found."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from scimsrv import assets
from scimsrv.allowance import Allowance
from scimsrv.store.survey import Holding, Survey
from scimsrv.surveying import gauges

_ROOT: Final = Path(str(assets.ROOT))
_MIXIN: Final = _ROOT / "deploy" / "mixin"
_ALERTS: Final = (_MIXIN / "alerts.yaml").read_text(encoding="utf-8")
_TESTS: Final = tuple(sorted(_MIXIN.glob("tests*.yaml")))


def _names() -> set[str]:
    return set(re.findall(r"- alert: (\w+)", _ALERTS))


def _anchors(text: str) -> list[str]:
    """The anchors of a page's headings."""
    return [re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_is_content() -> None:
    """Rules can be loaded, and alerts fire when their tests say so, and not otherwise: `make check-monitoring`."""
    done = subprocess.run(["make", "--no-print-directory", "check-monitoring"], cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_to_fire() -> None:
    """By a test of its own, with its severity."""
    fired = {found for path in _TESTS for found in re.findall(r'alertname="(\w+)", severity="(\w+)"', path.read_text(encoding="utf-8"))}
    severities = set(zip(re.findall(r"- alert: (\w+)", _ALERTS), re.findall(r"severity: (\w+)", _ALERTS), strict=True))
    assert fired == severities


def test_every_alert_has_a_runbook() -> None:
    """Its link leads to a section of the runbooks, and each section is an alert's."""
    links = re.findall(r"- alert: (\w+)(?:(?!- alert)[\s\S])*?runbook_url: (\S+)#(\S+)", _ALERTS)
    assert {name for name, *_ in links} == _names()
    assert len(links) == _ALERTS.count("- alert:")
    for name, page, anchor in links:
        assert _anchors((_ROOT / page).read_text(encoding="utf-8")).count(anchor) == 1, name
    sections = set(re.findall(r"^## (\w+)$", (_ROOT / "docs/runbooks.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert sections == _names()


def test_links_of_the_runbooks_lead_somewhere() -> None:
    """To pages, and to sections that they have."""
    page = _ROOT / "docs" / "runbooks.md"
    for place, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))):
        target = page.parent / place if place else page
        assert target.exists(), place
        assert not anchor or anchor in _anchors(target.read_text(encoding="utf-8")), (place, anchor)


def test_what_every_server_shows_is_not_added_up() -> None:
    """Wherever a gauge of the whole database is asked for, it is for its greatest or least value over the servers, and the page on metrics
    names each of them."""
    found = Survey(["a"], [Holding("a", "User", 1, 0)], [("a", "abcdef", 1.0)], 5.0, 0.0, 0, 0.0, 0)
    names = {name for name, _, _ in gauges(found, Allowance(1))} | {"scim_schema_version"}
    texts = [
        path.read_text(encoding="utf-8") for path in (*_MIXIN.glob("*s.yaml"), *_MIXIN.glob("dashboards/*.json")) if path not in _TESTS
    ]
    asked = [(name, text, place.start()) for name in names for text in texts for place in re.finditer(rf"\b{name}\b", text)]
    assert {name for name, *_ in asked} == names
    over = re.compile(r"\b(max|min)( by \([\w, ]+\) ?)?\((min_over_time\()?$")
    assert [name for name, text, place in asked if over.search(text[:place]) is None] == []
    page = (_ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    told = re.search(r"Several servers on one database all show the same[^:]*: ([^;]*);", " ".join(page.split()))
    assert told is not None
    assert set(re.findall(r"`(\w+)`", told[1])) == names
