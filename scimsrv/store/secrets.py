"""Write-only secrets such as a password: prepared, checked against the rules, hashed with Argon2id off the event loop."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher

from scimsrv.errors import invalid_value
from scimsrv.limits import Limits
from scimsrv.schema.attribute import Type
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.semantics import SEMANTICS

#: OWASP's second recommendation for Argon2id: 19 MiB, two passes, one lane.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

#: Characters of which normalisation makes one, at most: a letter with three marks.
_COMPOSED: Final = 4

#: Hashes computed at the same time by one process, so that many at once cannot take all memory and cores.
WORKERS: Final = 2
_POOL: Final = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="argon2")


def prepared(text: str) -> str:
    """The OpaqueString form: non-ASCII spaces become U+0020, then NFC (RFC 7613 §4.2.2)."""
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in text)
    return unicodedata.normalize("NFC", spaced)


async def hashed(
    plain: Mapping[str, str | None], schema: EffectiveSchema, limits: Limits, known: dict[str, str] | None = None
) -> dict[str, str | None]:
    """The hash of each secret by the key of its attribute; None stays None. `known` keeps hashes by secret from one attempt of a
    write to the next, since they are costly on purpose. Raises ScimError invalidValue, never showing a secret.
    """
    made = known if known is not None else {}
    names = {place.key: place.name for place in schema.secrets}
    result: dict[str, str | None] = {}
    for key, text in plain.items():
        if text is None:
            result[key] = None
            continue
        if len(text) > _COMPOSED * limits.password_bytes:
            raise invalid_value(f"{names[key]} must have at most {limits.password_bytes} bytes")
        try:  # what is hashed ahead comes as it was sent, and long runs of combining marks take normalisation very long
            secret = prepared(SEMANTICS[Type.STRING].coerce(text))
        except ValueError as problem:
            raise invalid_value(f"{names[key]} {problem}") from problem
        if len(secret) < limits.password_min:
            raise invalid_value(f"{names[key]} must have at least {limits.password_min} characters")
        if len(secret.encode()) > limits.password_bytes:
            raise invalid_value(f"{names[key]} must have at most {limits.password_bytes} bytes")
        if secret not in made:
            made[secret] = await asyncio.get_running_loop().run_in_executor(_POOL, _HASHER.hash, secret)
        result[key] = made[secret]
    return result
