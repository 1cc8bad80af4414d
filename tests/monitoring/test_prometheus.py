"""A real Prometheus finds the server, reads all of its metrics, and understands every query of the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.dashboards.prometheus import PROGRAM, Prometheus
from bench.dashboards.prometheus import prometheus as running_prometheus
from scimsrv import assets
from tests.distributed.site import Site
from tests.monitoring.scraping import monitor_url, scrape, until

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Prometheus is not installed")

_DOCS = Path(str(assets.ROOT)) / "docs"


def _queries() -> list[str]:
    """The queries of the documentation."""
    table = (_DOCS / "metrics.md").read_text(encoding="utf-8").partition("## What to ask")[2].partition("\n## ")[0]
    return re.findall(r"\| `([^`]+)` \|$", table, re.MULTILINE)


@pytest.fixture(scope="module")
def prometheus(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Yield a Prometheus that scrapes the server each second."""
    target = monitor_url(site.servers[0]).removeprefix("http://")
    with running_prometheus([target], tmp_path_factory.mktemp("prometheus")) as made:
        yield made


async def test_prometheus_reads_everything(site: Site, prometheus: Prometheus, http: httpx.AsyncClient) -> None:
    """The target is up, and each series of a scrape is stored."""
    (client,) = await site.tenant(http)
    assert (await client.get("/Users", filter='title co "x"')).status_code == 200

    def up(found: Any) -> bool:
        return bool(found) and [one["health"] for one in found["activeTargets"]] == ["up"]

    found = await until(lambda: prometheus.asked("targets"), up, 60)
    assert [one["lastError"] for one in found["activeTargets"]] == [""]
    shown = {name for name, _ in scrape(site.servers[0]).samples}
    stored = await until(lambda: set(prometheus.asked("label/__name__/values")), lambda names: shown <= names, 60)
    assert stored - shown <= {name for name in stored if name == "up" or name.startswith("scrape_")}
    counted = 'sum(scim_searches_total{served="scan"})'
    await until(lambda: prometheus.query(counted), bool, 60)


@pytest.mark.parametrize("query", _queries())
async def test_prometheus_understands_the_documentation(prometheus: Prometheus, query: str) -> None:
    """Every query that is recommended is one, and asks for series that there are."""
    prometheus.query(query)
