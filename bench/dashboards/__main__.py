"""python -m bench.dashboards: write the dashboards of deploy/mixin, let a run happen, and draw what their queries find into docs/."""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx

from bench.dashboards import grafana
from bench.dashboards.draw import Series, drawn
from bench.dashboards.panels import DASHBOARDS, Panel
from bench.dashboards.prometheus import PROGRAM, Prometheus, prometheus
from bench.dashboards.run import SETTINGS, Run, prepare
from bench.processes import UNHURRIED, running
from scimsrv.embedded import start_cluster
from scimsrv.keys import TOKEN_PEPPER, ServerKeys, new_key
from scimsrv.settings import Settings
from scimsrv.store.migrate import migrate

_ROOT: Final = Path(__file__).resolve().parents[2]

#: What Grafana would put in place of its variables.
VARIABLES: Final = {"$__rate_interval": "10s", "$tenant": ".*"}


def main() -> int:
    """Do what the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.dashboards", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the run is (default: %(default)s)")
    parser.add_argument("--only-write", action="store_true", help="write the dashboards, and draw nothing")
    options = parser.parse_args()
    grafana.write(_ROOT / "deploy" / "mixin" / "dashboards")
    if options.only_write:
        return 0
    if PROGRAM is None:
        sys.stderr.write("Prometheus is not installed: nothing is drawn\n")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="scimsrv-dashboards-"))
    folder.chmod(0o755)
    try:
        _draw(folder, options.seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _draw(folder: Path, seconds: float) -> None:
    cluster = start_cluster(folder / "postgres")
    try:
        key = new_key()
        asyncio.run(migrate(cluster.dsn))
        parts = asyncio.run(prepare(cluster.dsn, ServerKeys.load(Settings(secret_key=key)).derive(TOKEN_PEPPER)))
        settings = {
            "SCIMSRV_DATABASE_URL": cluster.dsn,
            "SCIMSRV_SECRET_KEY": key,
            "SCIMSRV_DATA_DIR": str(folder),
            **UNHURRIED,
            **SETTINGS,
        }
        scraped = _free_port()
        command = ["-m", "scimsrv", "serve", "--no-admin", "--port", "{port}", "--metrics-port", str(scraped)]
        with running(command, settings) as served, prometheus([f"127.0.0.1:{scraped}"], folder) as asking:
            begun = time.time()
            asyncio.run(_run(f"http://127.0.0.1:{served.port}", parts, begun + seconds))
            _write(asking, begun, time.time())
    finally:
        cluster.stop()


async def _run(url: str, parts: Any, until: float) -> None:
    async with httpx.AsyncClient(timeout=120) as http:
        await Run(http, url, parts).until(lambda: time.time() >= until, 10_000)


def _write(asking: Prometheus, begun: float, ended: float) -> None:
    folder = _ROOT / "docs" / "dashboards"
    folder.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        found = {panel.title: _series(asking, panel, begun, ended) for panel in dashboard.panels}
        (folder / f"{dashboard.uid.removeprefix('scimsrv-')}.svg").write_text(drawn(dashboard, found), encoding="utf-8")


def _series(asking: Prometheus, panel: Panel, begun: float, ended: float) -> Series:
    """What the panel's queries find, by legend."""
    found: dict[str, list[tuple[float, float]]] = {}
    for legend, expr in panel.queries.items():
        for one in asking.history(asked(expr), begun, ended):
            labels: dict[str, str] = one["metric"]
            name = re.sub(r"\{\{(\w+)\}\}", lambda label, of=labels: of.get(label[1], ""), legend)  # type: ignore[misc]
            points = [(at - begun, float(value)) for at, value in one["values"] if value not in ("NaN", "+Inf")]
            if points:
                found[re.sub(r"127\.0\.0\.1:\d+", "server", name)] = points
    return found


def asked(expr: str) -> str:
    """The query as Grafana would send it."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return expr


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
