"""What the questions are asked of: a filled database, the server on it, and the ceiling, each a process of its own."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from bench import ceiling
from bench.load import Generator, Load, Measure
from bench.processes import UNHURRIED, Running, running
from bench.scale.lots import Sizes
from bench.scale.manifest import Manifest
from bench.seed import seed
from bench.servers import give_token
from bench.world import Target
from scimsrv.embedded import start_cluster
from scimsrv.keys import new_key
from scimsrv.store.migrate import migrate

#: Defaults doubled; everything else is as Postgres and the embedded mode have it.
POSTGRES: Final = {"shared_buffers": "256MB", "work_mem": "8MB"}

#: Seconds after which a connection is opened anew: the server closes those that it thinks forgotten.
_IDLE: Final = 30.0


#: Whether a tenant has changes behind the last sealed one; and how many seconds sealing them may take.
_UNSEALED: Final = """
SELECT EXISTS (SELECT FROM tenant t LEFT JOIN audit_chain a ON a.tenant = t.id
CROSS JOIN LATERAL (SELECT c.seq FROM change c WHERE c.tenant = t.id AND c.seq > coalesce(a.highest, 0) ORDER BY c.seq LIMIT 1) c)"""
_SEALING: Final = 600.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How long is measured: rounds by turns, seconds of a side's turn, resources and requests of the long questions."""

    rounds: int = 5
    seconds: float = 1.0
    creations: int = 100_000
    requests: int = 100_000
    members: int = 10_000
    peer: int = 10_000


QUICK: Final = Effort(rounds=1, seconds=0.05, creations=200, requests=400, members=2_000, peer=100)


@dataclass(frozen=True, slots=True)
class Site:
    """The big tenant is asked through `target`, others by their slug; `keys` are the tenants' keys in the database."""

    manifest: Manifest
    effort: Effort
    dsn: str
    server: Running
    settings: dict[str, str]
    tokens: dict[str, str]
    keys: dict[str, int]
    bare: int
    generator: Generator
    readers: dict[str, Reader] = field(default_factory=dict)

    def target(self, slug: str | None = None) -> Target:
        """A tenant on the server; the big one when none is named."""
        slug = slug or self.manifest.big.slug
        return Target(self.server.port, f"/scim/{slug}/v2", self.tokens[slug])

    def get(self, path: str, slug: str | None = None) -> bytes:
        """The bytes of a GET."""
        return self.target(slug).request("GET", path)

    def ceiling(self) -> tuple[bytes, ...]:
        """The requests whose median time is c: a document by primary key."""
        bare = Target(self.bare, "", "")
        return tuple(bare.request("GET", f"/Users/{id_}") for id_ in self.manifest.big.some_users)

    def put(self, requests: tuple[bytes, ...], seconds: float, **options: Any) -> Measure:
        """Put a load of one client on the server."""
        return self.generator.put(Load(self.server.port, requests, 1, seconds, **options))

    def reader(self, slug: str | None = None) -> Reader:
        """Somebody who reads a tenant's answers whole; there is one for each tenant."""
        target = self.target(slug)
        return self.readers.setdefault(target.base, Reader(target))

    def close(self) -> None:
        """Close the readers' connections."""
        for reader in self.readers.values():
            reader.close()


class Reader:
    """Asks one request after another over one connection, and returns parsed answers."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=600)
        self._used = 0.0

    def raw(self, method: str, path: str, body: bytes = b"") -> http.client.HTTPResponse:
        """Ask, and return the answer before its body is read."""
        if time.monotonic() - self._used > _IDLE:
            self._connection.close()
        self._used = time.monotonic()
        headers = {"Authorization": f"Bearer {self._target.token}", "Content-Type": "application/scim+json"}
        self._connection.request(method, self._target.base + path, body or None, headers)
        return self._connection.getresponse()

    def ask(self, method: str, path: str, body: bytes = b"", status: int = 200) -> tuple[bytes, float]:
        """Ask, and return body and seconds. Raises RuntimeError for another status."""
        began = time.perf_counter()
        answer = self.raw(method, path, body)
        found = answer.read()
        seconds = time.perf_counter() - began
        if answer.status != status:
            raise RuntimeError(f"{answer.status} for {method} {path}, not {status}: {found[:300]!r}")
        return found, seconds

    def json(self, path: str) -> Any:
        """GET a document."""
        return json.loads(self.ask("GET", path)[0])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def site(sizes: Sizes, effort: Effort, data: Path | None) -> Iterator[Site]:
    """Run everything for as long as the block lasts. With `data`, the database is kept there, and is filled only if it is not there.

    Raises RuntimeError when it was filled with other sizes.
    """
    with ExitStack() as stack:
        if data is None:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scimsrv-scale-", ignore_cleanup_errors=True)))
        data.mkdir(parents=True, exist_ok=True)
        data.chmod(0o755)
        cluster = start_cluster(data / "postgres", options=POSTGRES)
        stack.callback(cluster.stop)
        manifest = _filled(cluster.dsn, sizes, data / "manifest.json")
        key = new_key()
        tokens, keys = asyncio.run(_admit(cluster.dsn, key, manifest))
        settings = {"SCIMSRV_DATABASE_URL": cluster.dsn, "SCIMSRV_SECRET_KEY": key, "SCIMSRV_DATA_DIR": str(data)} | UNHURRIED
        server = stack.enter_context(running(["-m", "scimsrv", "serve", "--no-admin", "--no-metrics", "--port", "{port}"], settings))
        asyncio.run(_sealed(cluster.dsn))
        environment = {ceiling.DATABASE: cluster.dsn, ceiling.TENANT: str(keys[manifest.big.slug])}
        bare = stack.enter_context(running(["-m", "bench.ceiling", "{port}"], environment))
        generator = stack.enter_context(Generator())
        made = Site(manifest, effort, cluster.dsn, server, settings, tokens, keys, bare.port, generator)
        stack.callback(made.close)
        yield made


def _filled(dsn: str, sizes: Sizes, file: Path) -> Manifest:
    manifest = Manifest.of(sizes)
    text = manifest.to_json()
    if file.exists():
        if file.read_bytes() != text:
            raise RuntimeError(f"{file.parent} was filled with other sizes or by another version: remove it, or choose another folder")
        print(f"using the database in {file.parent}", file=sys.stderr)
        asyncio.run(migrate(dsn))
    else:
        seed(dsn, sizes)
        file.write_bytes(text)
    return manifest


async def _sealed(dsn: str) -> None:
    """Wait until the server has taken what the database was filled with into the audit trail, which it does beside its requests. Raises
    RuntimeError when that takes too long."""
    connection = await asyncpg.connect(dsn)
    try:
        until = time.monotonic() + _SEALING
        while await connection.fetchval(_UNSEALED):
            if time.monotonic() > until:
                raise RuntimeError(f"after {_SEALING:.0f} seconds the audit trail is not sealed")
            await asyncio.sleep(1)
    finally:
        await connection.close()


async def _admit(dsn: str, key: str, manifest: Manifest) -> tuple[dict[str, str], dict[str, int]]:
    """Give a token of each tenant that is asked; those of earlier runs go. Returns tokens and keys by slug."""
    connection = await asyncpg.connect(dsn)
    try:
        slugs = [tenant.slug for tenant in (manifest.big, *manifest.ladder, manifest.small)]
        keys = {row["slug"]: row["id"] for row in await connection.fetch("SELECT id, slug FROM tenant WHERE slug = ANY ($1)", slugs)}
        await connection.execute("DELETE FROM credential WHERE tenant = ANY ($1)", list(keys.values()))
        return {slug: await give_token(connection, tenant, key) for slug, tenant in keys.items()}, keys
    finally:
        await connection.close()
