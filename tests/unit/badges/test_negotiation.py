"""Which form of a credential a client gets by its Accept header."""

from __future__ import annotations

import pytest

from scimsrv.errors import ScimError
from scimsrv.openbadges.answers import CREDENTIAL, TOKEN, negotiated

OFFERED = (TOKEN, CREDENTIAL, "application/json")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, TOKEN),
        ("", TOKEN),
        ("*/*", TOKEN),
        ("text/*", TOKEN),
        ("application/*", CREDENTIAL),
        (CREDENTIAL, CREDENTIAL),
        ("application/json", "application/json"),
        ("APPLICATION/JSON; charset=utf-8", "application/json"),
        (f"{TOKEN};q=0.4, {CREDENTIAL};q=0.5", CREDENTIAL),
        (f"{TOKEN};q=0, */*", CREDENTIAL),
        (f"*/*;q=0.1, {TOKEN};q=0.1, application/json;q=0.2", "application/json"),
        (f"{CREDENTIAL};profile=x;q=1.000, */*;q=0.9", CREDENTIAL),
        ("text/html, */*;q=0.001", TOKEN),
        ("text/html", None),
        ("*/*;q=0", None),
        (f"{TOKEN};q=much", None),
        (f"{TOKEN};q=nan", None),
        (f"{TOKEN};q=2", None),
        ("application/jwt", None),
        ("text", None),
    ],
)
def test_the_form_that_a_client_likes_best(accept: str | None, chosen: str | None) -> None:
    """The most specific range counts, then the weight, then the server's order; 406 where none is left."""
    if chosen is None:
        with pytest.raises(ScimError, match="Only"):
            negotiated(accept, OFFERED)
    else:
        assert negotiated(accept, OFFERED) == chosen
