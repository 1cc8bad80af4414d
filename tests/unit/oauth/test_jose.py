"""JSON Web Tokens, read strictly: no change of a good token is good, and no key is taken for another (RFC 7515, RFC 8725)."""

from __future__ import annotations

import string
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import OctKey

from scimsrv.oauth.jose import ALGORITHMS, KeySetError, TokenRefused, looks_like_jwt, parse_keys, read, verify
from tests.wire.oauth_support import EC, ED, OTHER_RSA, RSA, Issuer, public_keys, sign

KEYS = parse_keys(orjson.dumps(public_keys(RSA, EC, ED)), strict=True)
GOOD = {algorithm: Issuer(key=key, algorithm=algorithm).token() for key, algorithm in ((RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA"))}

_CHARACTERS = string.ascii_letters + string.digits + "-_."


def taken(text: str, keys: Any = KEYS, algorithms: Any = ALGORITHMS) -> bool:
    """Whether a token is read and verified."""
    try:
        verify(read(text), keys, algorithms)
    except TokenRefused:
        return False
    return True


def test_good_tokens() -> None:
    """Each is read and verified, by its own algorithm alone."""
    for algorithm, text in GOOD.items():
        assert looks_like_jwt(text)
        assert taken(text)
        assert taken(text, algorithms=(algorithm,))
        assert not taken(text, algorithms=tuple(set(ALGORITHMS) - {algorithm}))
        assert read(text).claims["sub"] == "workload-1"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_no_change_of_a_good_token_is_good(algorithm: str, data: st.DataObject) -> None:
    """Any character changed, taken out or put in, anywhere: refused, and never with another exception."""
    text = GOOD[algorithm]
    place = data.draw(st.integers(0, len(text) - 1))
    change = data.draw(st.sampled_from(["other", "without", "more"]))
    character = data.draw(st.sampled_from(_CHARACTERS + "= \n\x00é"))
    after = text[place + 1 :] if change != "more" else text[place:]
    changed = text[:place] + ("" if change == "without" else character) + after
    if changed != text:
        assert not taken(changed)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=_CHARACTERS + "{}\"':,é\x00 ", max_size=200))
def test_no_text_is_more_than_refused(text: str) -> None:
    """Whatever is sent, it is refused and nothing else happens."""
    assert not taken(text)
    assert not taken(f"{GOOD['RS256'].split('.')[0]}.{text}")
    assert not taken(f"{text}.{'.'.join(GOOD['RS256'].split('.')[1:])}")


@pytest.mark.parametrize("size", [10_000, 1_000_000])
def test_long_texts_are_not_looked_at(size: int) -> None:
    """Beyond the limit nothing is decoded."""
    assert not taken("e" * size + ".e.e")
    assert looks_like_jwt("e" * size + ".e.e") is (size == 10_000)


def test_the_key_is_that_of_the_token() -> None:
    """A kid selects among the keys; without one the only key for the algorithm is used, and none where there are two."""
    claims = dict(read(GOOD["RS256"]).claims)
    bare = sign({"alg": "RS256", "typ": "JWT"}, claims, RSA)
    assert taken(bare)
    second = OTHER_RSA.as_dict(private=False) | {"kid": "second"}
    both = parse_keys(orjson.dumps({"keys": [*public_keys(RSA)["keys"], second]}), strict=True)
    assert not taken(bare, both)
    assert taken(GOOD["RS256"], both)
    assert not taken(sign({"alg": "RS256", "typ": "JWT", "kid": "second"}, claims, RSA), both)
    nameless = parse_keys(orjson.dumps({"keys": [{k: v for k, v in public_keys(RSA)["keys"][0].items() if k != "kid"}]}), strict=True)
    assert taken(bare, nameless)
    assert not taken(GOOD["RS256"], nameless)
    assert not taken(GOOD["RS256"], ())


def test_a_key_is_for_what_it_says() -> None:
    """`alg` and `use` of a key bind it; a curve is for its algorithm alone."""
    rsa = public_keys(RSA)["keys"][0]
    only = parse_keys(orjson.dumps({"keys": [rsa | {"alg": "PS256"}]}), strict=True)
    assert not taken(GOOD["RS256"], only)
    assert taken(Issuer(algorithm="PS256").token(), only)
    assert {algorithm for key in KEYS for algorithm in key.algorithms} == set(ALGORITHMS) - {"ES384"}
    for wrong in (
        rsa | {"use": "enc"},
        rsa | {"alg": "RSA-OAEP"},
        rsa | {"alg": 7},
        rsa | {"kid": ["x"]},
        rsa | {"n": "!"},
        {"kty": "RSA"},
        {},
    ):
        with pytest.raises(KeySetError):
            parse_keys(orjson.dumps({"keys": [wrong]}), strict=True)


def test_a_shared_secret_is_no_key() -> None:
    """A set with one is refused, also where what cannot be used is left out; signatures by hashing are never permitted."""
    secret = OctKey.generate_key(256)
    for strict in (True, False):
        with pytest.raises(KeySetError):
            parse_keys(orjson.dumps({"keys": [secret.as_dict(private=True)]}), strict=strict)
    assert not [algorithm for algorithm in ALGORITHMS if algorithm.startswith("HS") or algorithm == "none"]
    assert not taken(sign({"alg": "HS256", "typ": "JWT"}, {"sub": "x"}, secret))


@pytest.mark.parametrize(
    "text",
    [b"", b"x", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [1]}', b'{"keys": []}', b"[" * 100_000, b'{"keys": [' + b"{}," * 60 + b"{}]}"],
)
def test_what_is_no_key_set(text: bytes) -> None:
    """It is refused with a reason."""
    for strict in (True, False):
        with pytest.raises(KeySetError):
            parse_keys(text, strict=strict)
    with pytest.raises(KeySetError, match="characters"):
        parse_keys(b" " * 300_000, strict=True)
