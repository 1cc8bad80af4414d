"""What a server needs of the machine that it runs on and of the network around it, examined for `scimsrv doctor`."""

import asyncio
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scimsrv.board import place_of_boards
from scimsrv.keys import ServerKeys
from scimsrv.oauth.fetching import Fetcher, FetchError
from scimsrv.probe.exchange import Prober, Silence
from scimsrv.probe.judging import SILENCES
from scimsrv.settings import Settings, SettingsError, is_loopback
from scimsrv.store.bound import Bound, begin_across
from scimsrv.store.checkup import Finding
from scimsrv.store.connection import connect
from scimsrv.store.queries import load

#: Different bytes that a key of 32 random ones has; fewer come once in many billions of keys.
_DIFFERENT: Final = 16

#: Files that a process has open beside its connections.
_OTHERS: Final = 128

#: Addresses of keys that are tried.
_FETCHED: Final = 20


def examine_machine(settings: Settings) -> Iterator[Finding]:
    """A finding for each thing that can be seen here."""
    yield _key(settings)
    if settings.secret_key_file is not None:
        yield _key_file(settings.secret_key_file)
    yield _files(settings)
    if settings.metrics:
        yield _metrics()
    if settings.public_url is not None:
        yield _public(settings.public_url)


def _key(settings: Settings) -> Finding:
    fix = "set secret_key_file to a readable file with 32 random bytes in base64url"
    try:
        secrets = ServerKeys.load(settings).secrets
    except SettingsError as error:
        return Finding("secret key", False, str(error), fix)
    newest = max(secrets)
    if len(set(secrets[newest])) < _DIFFERENT:
        return Finding("secret key", False, f"version {newest} is not random", "add a version with 32 random bytes, see docs/operations.md")
    return Finding("secret key", True, f"version {newest}", fix)


def _key_file(path: Path) -> Finding:
    try:
        mode = path.stat().st_mode
    except OSError:  # said of the key itself
        return Finding("key file", False, f"{path} is not there", "correct secret_key_file")
    closed = not mode & (stat.S_IRWXO | stat.S_IWGRP)
    return Finding("key file", closed, f"mode {stat.S_IMODE(mode):03o}", f"chmod 600 {path}: others can read or change it")


def _files(settings: Settings) -> Finding:
    wanted = 2 * settings.concurrency + settings.pool_size + _OTHERS
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = limit == resource.RLIM_INFINITY or limit >= wanted
    fix = f"allow {wanted} (ulimit -n, LimitNOFILE=): there are {settings.concurrency} connections at most, and each has two ends in TLS"
    return Finding("open files", enough, f"{limit} per process", fix)


def _metrics() -> Finding:
    place = place_of_boards()
    writable = os.access(place, os.W_OK)
    return Finding(
        "metrics", writable, f"{place} is{' ' if writable else ' not '}writable", f"let the server write to {place}, best a tmpfs"
    )


def _public(url: str) -> Finding:
    """Whether anything answers where identity providers are told to go; what it is shows `--probe`."""
    try:
        prober = Prober(url, "none")
    except ValueError as problem:
        return Finding("public URL", False, str(problem), "correct public_url")
    if prober.parts.scheme != "https" and not is_loopback(prober.parts.hostname or ""):
        return Finding("public URL", False, "http", "serve https: Entra ID and Okta demand it, with a certificate of a public authority")
    answer = prober.ask("GET", "/scim")
    if isinstance(answer, Silence):
        found, fix = SILENCES[answer.reason]
        return Finding("public URL", False, found.format(said=answer.said), fix)
    return Finding("public URL", True, f"answered within {answer.seconds:.2f} s", "")


async def examine_issuers(dsn: str, settings: Settings) -> list[Finding]:
    """A finding for each address from which keys of trusted issuers are fetched. Raises DatabaseError."""
    async with connect(dsn) as connection:
        asking = Bound(connection, begin_across()) if settings.isolated else connection
        rows = await asking.fetch(load("trusts")["fetched"], _FETCHED)
    fetcher = Fetcher(settings.jwks_hosts)

    async def tried(url: str) -> Finding:
        try:
            await fetcher.fetch(url)
        except FetchError as problem:
            return Finding(
                "issuer", False, f"{url}: {problem}", "list the host in jwks_hosts, and let the server reach it; or give the keys"
            )
        return Finding("issuer", True, url, "")

    return [*await asyncio.gather(*(tried(row["jwks_uri"]) for row in rows))]
