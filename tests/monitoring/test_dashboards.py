"""Dashboards: every query of every panel finds something in a real Prometheus that has scraped a real run."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from bench.dashboards.__main__ import asked
from bench.dashboards.grafana import files
from bench.dashboards.panels import DASHBOARDS
from bench.dashboards.prometheus import PROGRAM, prometheus
from bench.dashboards.run import SETTINGS, Run, prepare
from scimsrv import assets
from scimsrv.exposition import OF_SERVER
from scimsrv.keys import TOKEN_PEPPER, ServerKeys
from scimsrv.metrics import METRICS
from scimsrv.settings import Settings
from tests.distributed.site import running
from tests.monitoring.scraping import monitor_url
from tests.wire.support import KEY

_MIXIN: Final = Path(str(assets.ROOT)) / "deploy" / "mixin"
_PANELS: Final = [(panel, expr) for dashboard in DASHBOARDS for panel in dashboard.panels for expr in panel.queries.values()]

_ROUNDS: Final = 60


def shows(answer: list[dict[str, Any]]) -> bool:
    """Whether a series has a value that is a number."""
    return any(value != "NaN" for one in answer for _, value in one["values"])


@pytest.mark.skipif(PROGRAM is None, reason="Prometheus is not installed")
async def test_every_panel_shows_something(database: str, tmp_path: Path) -> None:
    """After a run in which everything happens that panels are about; and every rule is evaluated and finds something."""
    parts = await prepare(database, ServerKeys.load(Settings(secret_key=KEY)).derive(TOKEN_PEPPER))
    folder = tmp_path / "prometheus"
    folder.mkdir()
    begun = time.time()
    with (
        running(database, database, tmp_path, workers=(1,), **SETTINGS) as site,
        prometheus([monitor_url(site.servers[0])[7:]], folder, [_MIXIN / "rules.yaml", _MIXIN / "alerts.yaml"]) as asking,
    ):
        left = {expr: panel for panel, expr in _PANELS}

        def enough() -> bool:
            for expr in list(left):
                if shows(asking.history(asked(expr), begun, time.time())):
                    del left[expr]
            return not left

        async with httpx.AsyncClient(timeout=120) as http:
            await Run(http, f"http://127.0.0.1:{site.ports[0]}", parts).until(enough, _ROUNDS)
        assert {rule["health"] for group in asking.asked("rules")["groups"] for rule in group["rules"]} == {"ok"}
        recorded = {name for name in asking.asked("label/__name__/values") if ":" in name}
        assert recorded == set(re.findall(r"record: (\S+)", (_MIXIN / "rules.yaml").read_text(encoding="utf-8")))
    assert not {panel.title for panel in left.values()}


def test_files_are_those_of_the_table() -> None:
    """deploy/mixin has the dashboards as `python -m bench.dashboards` writes them, and no others."""
    assert {path.name: path.read_text(encoding="utf-8") for path in (_MIXIN / "dashboards").glob("*.json")} == files()


def test_dashboards_are_what_grafana_imports() -> None:
    """Each has an id of its own, a schema's version, a variable for its source, and panels with units, places and sentences."""
    made = [json.loads(text) for text in files().values()]
    assert len({one["uid"] for one in made}) == len(made) == 5
    for one in made:
        assert one["schemaVersion"] >= 38
        assert one["templating"]["list"][0]["type"] == "datasource"
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in one["panels"]]
        assert len(set(places)) == len(places) == len({panel["title"] for panel in one["panels"]})
        for panel in one["panels"]:
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["description"].endswith(".")
            assert {target["datasource"]["uid"] for target in (panel, *panel["targets"])} == {"${datasource}"}


def test_metrics_that_are_asked_for_exist() -> None:
    """No panel, rule or alert names a metric that the server does not have."""
    known = {metric.name for metric in METRICS} | {name for name, *_ in OF_SERVER}
    texts = [expr for _, expr in _PANELS] + [path.read_text(encoding="utf-8") for path in _MIXIN.glob("*.yaml")]
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for text in texts for name in re.findall(r"(?<!:)\bscim_\w+", text)}
    assert named <= known
    assert {metric.name for metric in METRICS} - named <= _NOWHERE


#: Metrics that no panel shows.
_NOWHERE: Final = {"scim_request_body_bytes", "scim_activity_dropped_total", "scim_badge_signing_failures_total"}
