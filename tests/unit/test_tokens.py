"""The form of tokens."""

import re

import pytest

from scimsrv.tokens import ADMIN, PROVISIONING, digest, looks_like_token, new_token


def test_new_tokens_have_the_form_and_differ() -> None:
    """Every new token has the documented form, is recognised, carries its id, and is never made twice."""
    made = [new_token() for _ in range(200)]
    for token in made:
        assert re.fullmatch(r"scs_[a-z0-9]{6}_[A-Za-z0-9_-]{43}_[0-9a-z]{6}", token.text)
        assert token.text.split("_")[1] == token.kid
        assert looks_like_token(token.text)
    assert len({token.text for token in made}) == len(made)


def test_kinds_are_told_apart() -> None:
    """A token of either kind is none of the other, also when its prefix is exchanged."""
    for kind, other in ((PROVISIONING, ADMIN), (ADMIN, PROVISIONING)):
        text = new_token(kind).text
        assert text.startswith(f"{kind}_")
        assert looks_like_token(text, kind)
        assert not looks_like_token(text, other)
        assert not looks_like_token(other + text.removeprefix(kind), other)


def test_any_changed_character_is_noticed() -> None:
    """The checksum sees a change at every single position, so that a mistyped token is told from a foreign header value."""
    text = new_token().text
    for place in range(len(text)):
        other = text[:place] + ("x" if text[place] != "x" else "y") + text[place + 1 :]
        assert not looks_like_token(other), place


@pytest.mark.parametrize("form", ["", "scs_", "Basic YTpi", "a.b.c", "{token} ", "{token}\n", "x{token}"])
def test_other_texts_are_not_tokens(form: str) -> None:
    """Other credentials, and a token with anything around it, are not taken for one of ours."""
    assert not looks_like_token(form.format(token=new_token().text))


def test_digest_depends_on_pepper_and_token() -> None:
    """The stored digest has 32 bytes and differs by key and by token."""
    one, two = new_token().text, new_token().text
    assert len({digest(b"a" * 32, one), digest(b"b" * 32, one), digest(b"a" * 32, two)}) == 3
    assert len(digest(b"a" * 32, one)) == 32
    assert digest(b"a" * 32, one) == digest(b"a" * 32, one)
