"""What needs a place of its own: a disk that fills up, and clocks that are wrong. Where the machine permits neither, that is said."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from scimsrv.store import migrate as migrating
from tests.distributed.site import running
from tests.faults.history import save
from tests.faults.load import Load
from tests.faults.machines import Machine, machine
from tests.faults.measure import CLIENTS, LONG, SEED, kept, report, seconds
from tests.faults.test_killed import judge, summary, until_acknowledged, working
from tests.wire.support import user

_LIBRARY: Final = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

pytestmark = pytest.mark.skipif(not LONG, reason="needs a file system or a clock of its own: make test-faults")


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of this size. Skips the test where none can be mounted."""
    place = Path(tempfile.mkdtemp(prefix="scimsrv-disk-"))
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "none", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        place.rmdir()
        pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        shutil.rmtree(place, ignore_errors=True)


async def test_a_full_disk(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R10: writes are 503 while the disk is full, reads go on, and writes go on when there is room again, without a restart."""
    with small_disk(220) as disk, machine({}, disk) as made:
        # A log that cannot be written ends Postgres; it lies elsewhere, as where disks are looked after.
        made.stop()
        log = made.directory / "pg_wal"
        elsewhere = Path(tempfile.mkdtemp(prefix="scimsrv-wal-")) / "pg_wal"
        elsewhere.parent.chmod(0o755)
        shutil.move(log, elsewhere)
        _give(elsewhere, made.directory)
        log.symlink_to(elsewhere)
        made.start()
        await migrating.migrate(made.cluster.dsn)
        with running(made.cluster.dsn, made.cluster.dsn, tmp_path) as site:
            clients = await site.tenant(http, "scim:bulk")
            ada = await clients[0].new_user()
            path = f"/Users/{ada['id']}"
            async with working(clients, tmp_path, "full-disk") as load:
                await asyncio.sleep(1)
                ballast = disk / "ballast"
                room = shutil.disk_usage(disk).free
                with ballast.open("wb") as file:
                    file.write(b"\0" * (room - 4 * 2**20))
                grown: Counter[int] = Counter()
                for number in itertools.count():
                    answer = await clients[0].post("/Users", user(title="x" * 60_000, displayName=f"{number}"))
                    grown[answer.status_code] += 1
                    if grown[503] >= 20 or number > 2000:
                        break
                reads = Counter([(await clients[0].get(path)).status_code for _ in range(20)])
                await asyncio.sleep(5)
                ballast.unlink()
                back = await until_acknowledged(load, time.monotonic())
                load.stopped = True
            report(
                f"R10 {summary(load)}; while the disk was full writes {dict(grown)}, reads {dict(reads)}; writes back after {back:.2f} s"
            )
            assert grown[503] >= 20
            assert set(grown) <= {201, 503}
            assert reads == {200: 20}
            listed = (await clients[0].get("/Users", filter="displayName pr", attributes="id", count=1000)).json()
            for one in [*listed["Resources"], ada]:
                assert (await clients[0].delete(f"/Users/{one['id']}")).status_code in (204, 404)
            await judge(load, clients[0], made.cluster.dsn)
        made.stop()
        shutil.rmtree(elsewhere.parent)


def _give(place: Path, example: Path) -> None:
    """Let a folder and what is in it belong to whom another one belongs."""
    owner = example.stat()
    for one in (place, *place.rglob("*")):
        os.chown(one, owner.st_uid, owner.st_gid)


@pytest.mark.skipif(_LIBRARY is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("offset", ["-120s", "+120s", "+1d"])
async def test_a_clock_that_is_wrong(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path, offset: str) -> None:
    """R11: of two servers one has a wrong clock. Cursors and versions of one are good at the other, no list loses its order, the time of
    a change never goes back, and nothing acknowledged is lost."""
    dsn = postgres.cluster.dsn
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    clock = {"LD_PRELOAD": str(_LIBRARY), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with running(dsn, dsn, here) as right, _with(os.environ, clock, lambda: running(dsn, dsn, there)) as wrong:
        (one,) = await right.tenant(http, "scim:bulk")
        two: Any = type(one)(http, one.slug, one.id, one.token, f"http://127.0.0.1:{wrong.ports[0]}")  # type: ignore[call-arg]
        async with working([one, two], tmp_path, f"clock{offset}") as load:
            await asyncio.sleep(min(seconds(5), 20))
            load.stopped = True
        report(f"R11 {offset}: {summary(load)}")
        await judge(load, one, dsn)
        made = [(await client.new_user(title="clock"))["id"] for client in (one, two) * 10]
        whole = [found["id"] for found in (await one.get("/Users", filter='title eq "clock"', count=100)).json()["Resources"]]
        assert sorted(whole) == sorted(made)
        assert [found["id"] for found in (await two.get("/Users", filter='title eq "clock"', count=100)).json()["Resources"]] == whole
        paged: list[str] = []
        cursor: str | None = ""
        for client in itertools.cycle((one, two)):
            answer = await client.get("/Users", filter='title eq "clock"', count=3, cursor=cursor)
            if answer.status_code == 400 and offset == "+1d":
                assert answer.json()["scimType"] == "expiredCursor", answer.text  # an hour is over there
                break
            page = answer.json()
            paged += [found["id"] for found in page["Resources"]]
            cursor = page.get("nextCursor")
            if cursor is None:
                assert paged == whole
                break
        path, times, versions = f"/Users/{made[0]}", [], []
        for number, client in zip(range(10), itertools.cycle((one, two)), strict=False):
            changed = (await client.patch(path, {"op": "replace", "path": "title", "value": f"{number}"})).json()
            times.append(changed["meta"]["lastModified"])
            versions.append(changed["meta"]["version"])
        assert versions == [f'W/"{number}"' for number in range(2, 12)]
        assert times == sorted(times)


@contextmanager
def _with(environ: Any, extra: dict[str, str], start: Any) -> Iterator[Any]:
    """Start something with these variables, which only what it starts sees."""
    before = {name: environ.get(name) for name in extra}
    environ.update(extra)
    started = start()
    made = started.__enter__()
    for name, value in before.items():
        environ.pop(name) if value is None else environ.update({name: value})
    try:
        yield made
    finally:
        started.__exit__(None, None, None)


async def test_a_long_run(postgres: Machine, http: httpx.AsyncClient, tmp_path: Path) -> None:
    """R16: under a steady load neither memory nor files nor connections of the server grow, and no transaction is left open."""
    dsn = postgres.cluster.dsn
    length = seconds(300)
    with running(dsn, dsn, tmp_path) as site:
        clients = await site.tenant(http, "scim:bulk")
        pid = site.servers[0].process.pid
        load = Load(SEED)
        tasks = [asyncio.create_task(_steady(load, clients[0], number)) for number in range(CLIENTS // 4)]
        await asyncio.sleep(length / 3)
        begin, samples = time.monotonic(), []
        while time.monotonic() < begin + length:
            await asyncio.sleep(1)
            samples.append((time.monotonic() - begin, _resident(pid), len(list(Path(f"/proc/{pid}/fd").iterdir()))))
        load.stopped = True
        await asyncio.gather(*tasks)
    save(kept(tmp_path, "long-run"), load.events, seed=SEED)
    slope = _slope([(at / 60, memory) for at, memory, _ in samples])
    files = {files for _, _, files in samples[len(samples) // 2 :]}
    report(f"R16 {summary(load)}; memory grows by {slope:.2f} MiB a minute over {length:.0f} s, {min(files)} to {max(files)} open files")
    assert slope < 1 or length < 300, slope
    assert max(files) - min(files) <= CLIENTS


async def _steady(load: Load, client: Any, number: int) -> None:
    """Some eight requests a second, of resources that are deleted again."""
    for turn in itertools.count():
        if load.stopped:
            return
        made = await client.new_user(f"s-{number}-{turn}")
        path = f"/Users/{made['id']}"
        await load._change(client, number, path, made["id"], f"{turn}")
        await client.get("/Users", filter=f'userName sw "s-{number}"', count=10)
        await client.delete(path)
        await asyncio.sleep(0.4)


def _resident(pid: int) -> float:
    return float(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")) / 2**20


def _slope(points: list[tuple[float, float]]) -> float:
    """The slope of the line with the least squares."""
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    return float(sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points))
