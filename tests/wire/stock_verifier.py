"""A stock verifier of Open Badges 3.0 (openbadgeslib) in a process of its own: checks on standard input, verdicts on standard output."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any


def _token(asked: dict[str, Any]) -> str:
    from openbadgeslib.ob3 import OB3Verifier

    OB3Verifier(asked["pem"]).verify(asked["token"], asked.get("recipient"))
    return "valid"


def _status(asked: dict[str, Any]) -> str:
    from openbadgeslib.ob3 import OB3Verifier

    OB3Verifier(asked["pem"]).verify(asked["token"], check_status=True, download=lambda _url: asked["list"].encode())
    return "valid"


def _document(asked: dict[str, Any]) -> str:
    from openbadgeslib.ob3 import verify_data_integrity_proof

    verify_data_integrity_proof(asked["document"], asked["pem"])
    return "valid"


def _extract(asked: dict[str, Any]) -> str:
    from openbadgeslib.ob3 import OB3Verifier

    picture = base64.b64decode(asked["picture"])
    if picture.startswith(b"\x89PNG"):
        return OB3Verifier.extract_token_from_png(picture)
    return OB3Verifier.extract_token_from_svg(picture)


def _sign(asked: dict[str, Any]) -> str:
    from openbadgeslib.ob3 import OB3Signer

    return OB3Signer(asked["private"], asked["alg"]).sign_payload(asked["payload"])


CHECKS: dict[str, Callable[[dict[str, Any]], str]] = {
    "token": _token,
    "status": _status,
    "document": _document,
    "extract": _extract,
    "sign": _sign,
}


def main() -> None:
    """Answer each check with its result, or with why it failed."""
    answers = []
    for asked in json.load(sys.stdin):
        try:
            answers.append(CHECKS[asked["check"]](asked))
        except Exception as problem:
            answers.append(f"refused: {type(problem).__name__}: {problem}")
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
