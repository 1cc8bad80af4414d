"""A real Prometheus finds the server, reads all of its metrics, and understands every query of the documentation."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from scimsrv import assets
from tests.distributed.site import Site
from tests.monitoring.scraping import monitor_url, scrape, until

PROGRAM = shutil.which("prometheus")

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Prometheus is not installed")

_DOCS = Path(str(assets.ROOT)) / "docs"


def _queries() -> list[str]:
    """The queries of the documentation."""
    table = (_DOCS / "metrics.md").read_text(encoding="utf-8").partition("## What to ask")[2].partition("\n## ")[0]
    return re.findall(r"\| `([^`]+)` \|$", table, re.MULTILINE)


@pytest.fixture(scope="module")
def prometheus(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a Prometheus that scrapes the server each second."""
    folder = tmp_path_factory.mktemp("prometheus")
    target = monitor_url(site.servers[0]).removeprefix("http://")
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "scimsrv", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # which is YAML too
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([str(PROGRAM), *arguments], cwd=folder, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.terminate()
        process.wait(30)


def _asked(url: str, **parameters: str) -> Any:
    """The data of an answer; None while there is none: until it has started, Prometheus refuses connections, and then requests in words."""
    try:
        answer = httpx.get(url, params=parameters, timeout=5)
    except httpx.TransportError:
        return None
    return answer.json()["data"] if answer.status_code == 200 else None


async def test_prometheus_reads_everything(site: Site, prometheus: str, http: httpx.AsyncClient) -> None:
    """The target is up, and each series of a scrape is stored."""
    (client,) = await site.tenant(http)
    assert (await client.get("/Users", filter='title co "x"')).status_code == 200

    def up(found: Any) -> bool:
        return bool(found) and [one["health"] for one in found["activeTargets"]] == ["up"]

    found = await until(lambda: _asked(f"{prometheus}/targets"), up, 60)
    assert [one["lastError"] for one in found["activeTargets"]] == [""]
    shown = {name for name, _ in scrape(site.servers[0]).samples}
    stored = await until(lambda: set(_asked(f"{prometheus}/label/__name__/values") or ()), lambda names: shown <= names, 60)
    assert stored - shown <= {name for name in stored if name == "up" or name.startswith("scrape_")}
    counted = 'sum(scim_searches_total{served="scan"})'
    await until(lambda: _asked(f"{prometheus}/query", query=counted), lambda answer: bool(answer and answer["result"]), 60)


@pytest.mark.parametrize("query", _queries())
async def test_prometheus_understands_the_documentation(prometheus: str, query: str) -> None:
    """Every query that is recommended is one, and asks for series that there are."""
    await until(lambda: _asked(f"{prometheus}/targets"), bool, 60)
    answer = httpx.get(f"{prometheus}/query", params={"query": query}).json()
    assert answer["status"] == "success", answer
