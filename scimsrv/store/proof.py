"""What a credential was shown by, as far as that can end before the credential does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Proof:
    """`edition` is that of the client which showed a secret of its own or an access token, `digest` stands for an access token that may be
    revoked by itself, `ends` is when a JWT ends, in seconds since 1970; None and empty where there is no such thing."""

    edition: int | None = None
    digest: bytes = b""
    ends: float | None = None

    @property
    def has_ended(self) -> bool:
        """Whether its time is over."""
        return self.ends is not None and self.ends <= time.time()

    def document(self) -> dict[str, Any]:
        """As it is kept with a request that is carried out later."""
        return {"edition": self.edition, "digest": self.digest.hex(), "ends": self.ends}


ALWAYS: Final = Proof()


def proof_of(document: Mapping[str, Any] | None) -> Proof:
    """What was kept; a server that was older kept nothing."""
    if document is None:
        return ALWAYS
    return Proof(document["edition"], bytes.fromhex(document["digest"]), document["ends"])
