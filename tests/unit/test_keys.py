"""The server's secret key and what is derived from it."""

import base64
import stat
from pathlib import Path

import pytest

from scimsrv.keys import FILE_NAME, SecretKeyError, ServerKeys, new_key
from scimsrv.settings import Settings

_DSN = "postgresql://db.example.com/scim"


def test_embedded_mode_makes_a_key_once(tmp_path: Path) -> None:
    """The first start makes a private key file, later ones read the same key."""
    settings = Settings(data_dir=tmp_path / "data")
    with pytest.raises(SecretKeyError, match="start `scimsrv serve` once"):
        ServerKeys.load(settings)  # by a command, which may have been given the wrong folder
    assert not (tmp_path / "data").exists()
    first = ServerKeys.load(settings, make=True)
    assert stat.S_IMODE((tmp_path / "data" / FILE_NAME).stat().st_mode) == 0o600
    assert ServerKeys.load(settings).derive("a") == first.derive("a")
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == [FILE_NAME]


def test_a_database_of_ones_own_needs_a_key() -> None:
    """With a database URL no key is made up: the error says how to make one."""
    with pytest.raises(SecretKeyError, match="secret_key_file"):
        ServerKeys.load(Settings(database_url=_DSN))


def test_key_from_value_and_file_agree(tmp_path: Path) -> None:
    """The key may come as a value or in a file, with or without its version."""
    key = new_key()
    path = tmp_path / "key"
    path.write_text(key.removeprefix("1:") + "\n")
    by_value = ServerKeys.load(Settings(database_url=_DSN, secret_key=key))
    assert by_value.derive("x") == ServerKeys.load(Settings(database_url=_DSN, secret_key_file=path)).derive("x")


def test_derived_keys_are_independent() -> None:
    """Every label and every version has a key of its own, which is not the secret itself."""
    keys = ServerKeys({1: b"1" * 32, 2: b"2" * 32})
    derived = {*keys.derive_all("a"), *keys.derive_all("b")}
    assert len(derived) == 4
    assert all(len(key) == 32 for key in derived)
    assert b"2" * 32 not in derived


def test_rotation_keeps_the_previous_version() -> None:
    """The highest version is current, and what older ones derive stays the same after a new one is added."""
    before = ServerKeys({1: b"1" * 32})
    after = ServerKeys({1: b"1" * 32, 2: b"2" * 32})
    assert after.derive("a") != before.derive("a")
    assert after.derive_all("a") == (after.derive("a"), before.derive("a"))


def test_derivation_never_changes() -> None:
    """The derivation is fixed, because stored digests depend on it (RFC 5869 with SHA-256, salt `scimsrv`, info `label/version`)."""
    assert ServerKeys({1: bytes(32)}).derive("token-pepper").hex() == "4cc09b900b5570fb4a1a62dfd4e0ef485fe06de0a49fbacc4323e95c5bbfa93a"


@pytest.mark.parametrize(
    "text",
    ["", "short", "1:" + "A" * 42, "1:" + "A" * 43 + " 1:" + "B" * 43, "x:" + "A" * 43, base64.b64encode(b"\xff" * 32).decode()],
)
def test_malformed_keys_are_refused_without_being_shown(text: str) -> None:
    """A key that is too short, doubled or in another alphabet is an error whose message does not contain it."""
    with pytest.raises(SecretKeyError) as caught:
        ServerKeys.load(Settings(database_url=_DSN, secret_key=text))
    assert not text or text not in str(caught.value)


def test_keys_are_not_in_their_representation() -> None:
    """Printing the object does not print the secret."""
    assert "1111" not in repr(ServerKeys({1: b"1" * 32}))


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A key file that does not exist is named in the error."""
    with pytest.raises(SecretKeyError, match="nowhere"):
        ServerKeys.load(Settings(database_url=_DSN, secret_key_file=tmp_path / "nowhere"))
