"""What the questions are asked of: the servers, and the same users and group on each."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bench.client import Answer, encode, run
from bench.data import group, user

#: Numbers of users that POST creates start here; those of the data lie below.
FRESH: Final = 50_000_000


@dataclass(frozen=True, slots=True)
class Target:
    """A SCIM server: its port, the path of its base URL, the token it wants, and its data: `users`, who are
    in the group, `others`, who are in none, and the group."""

    port: int
    base: str
    token: str
    users: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The bytes of a request as an identity provider sends it."""
        headers = {"Accept": "application/scim+json", "Authorization": f"Bearer {self.token}"}
        return encode(method, self.base + path, f"127.0.0.1:{self.port}", headers, body)

    @property
    def group(self) -> str:
        """The path of the group."""
        return f"/Groups/{self.groups[0]}"

    def some_users(self) -> list[str]:
        """Ids of members of the group in a random order that is the same for every server and run."""
        return random.Random(7).sample(self.users, min(2_000, len(self.users)))

    def some_others(self) -> list[str]:
        """Ids of users in no group, in such an order."""
        return random.Random(7).sample(self.others, len(self.others))


@dataclass(slots=True)
class World:
    """`size` users are in the group. `wide` and `badges` are other tenants of our server, without data; the latter has
    badges. `jwt` is our server, asked with an access token instead of a secret token. `peer` is there when a question needs it. `fresh` is
    the number of the next request, so that none has that of another one, whatever questions are asked."""

    size: int
    ours: Target
    wide: Target
    badges: Target
    ceiling: Target
    jwt: Target
    peer: Target | None = None
    fresh: int = FRESH

    def scim(self) -> Iterator[tuple[str, Target]]:
        """The SCIM servers by the name of their side."""
        yield "ours", self.ours
        if self.peer is not None:
            yield "scim2-server", self.peer


async def fill(target: Target, size: int, others: int) -> None:
    """Create the users, and a group of the first `size`. Raises RuntimeError when the server refuses."""
    numbers = iter(range(size + others))
    made: dict[str, str] = {}

    def following() -> bytes | None:
        number = next(numbers, None)
        return None if number is None else target.request("POST", "/Users", user(number))

    def answered(answer: Answer) -> None:
        document = created(answer)
        made[document["userName"]] = document["id"]

    await run("127.0.0.1", target.port, 8, following, answered)
    ids = [id_ for _, id_ in sorted(made.items())]
    target.users.extend(ids[:size])
    target.others.extend(ids[size:])
    answer = await ask(target, target.request("POST", "/Groups", group(target.users)))
    target.groups.append(created(answer)["id"])


async def ask(target: Target, request: bytes) -> Answer:
    """Send one request and return its answer."""
    requests, answers = iter([request]), list[Answer]()
    await run("127.0.0.1", target.port, 1, lambda: next(requests, None), answers.append)
    return answers[0]


def ask_now(target: Target, request: bytes) -> Answer:
    """Send one request from code that does not wait."""
    return asyncio.run(ask(target, request))


def created(answer: Answer) -> dict[str, str]:
    """The resource in the answer to a creation. Raises RuntimeError when it was refused."""
    if answer.status != 201:
        raise RuntimeError(f"{answer.status} for a creation: {answer.body[:300].decode('utf-8', 'replace')}")
    body = answer.body
    if b"transfer-encoding: chunked" in answer.head.lower():
        body = _joined(body)
    document: dict[str, str] = json.loads(body)
    return document


def _joined(chunks: bytes) -> bytes:
    parts = []
    while chunks:
        line, _, chunks = chunks.partition(b"\r\n")
        size = int(line, 16)
        parts.append(chunks[:size])
        chunks = chunks[size + 2 :]
        if not size:
            break
    return b"".join(parts)
