"""The server's secret key: one file or value from which every other key is derived by label and version."""

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scimsrv.settings import Settings, SettingsError

TOKEN_PEPPER: Final = "token-pepper"  # noqa: S105 (a label, not a secret)
"""Label of the key under which bearer tokens are looked up."""

ADMIN_PEPPER: Final = "admin-token-pepper"
"""Label of the key under which administrators' tokens are looked up."""

SECRET_PEPPER: Final = "client-secret-pepper"  # noqa: S105 (a label, not a secret)
"""Label of the key under which the secrets of OAuth clients are looked up."""

ACCESS_TOKEN_KEY: Final = "access-tokens"  # noqa: S105 (a label, not a secret)
"""Label of the seed of the key by which access tokens are signed."""

CURSOR_KEY: Final = "cursor"
"""Label of the key under which the cursors of lists are sealed."""

REQUEST_KEY: Final = "requests"
"""Label of the key under which requests that are carried out later are sealed."""

ANSWER_KEY: Final = "first-answers"
"""Label of the key under which requests that may be repeated are told apart."""

AUDIT_KEY: Final = "audit"
"""Label of the key with which the audit trail is sealed."""

BADGE_KEY: Final = "badge-keys"
"""Label of the key under which the private keys of badge issuers are sealed."""

PSEUDONYM_KEY: Final = "log-pseudonyms"
"""Label of the key under which the log has the userNames that requests name."""

FILE_NAME: Final = "secret-key"
"""Name of the key file that embedded mode keeps in the data directory."""

_LENGTH = 32
_ENTRY = re.compile(r"(?:(\d{1,4}):)?([A-Za-z0-9_-]{43}=?)")


class SecretKeyError(SettingsError):
    """The secret key is missing or cannot be read; the message says how to mend it."""


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """Secrets by version. The highest version is current; lower ones stay valid for what was made with them."""

    secrets: Mapping[int, bytes] = field(repr=False)

    @classmethod
    def load(cls, settings: Settings, *, make: bool = False) -> "ServerKeys":
        """Read the key from the settings, or, in embedded mode, from the data directory, where it is made at the first start (`make`).

        Raises SecretKeyError when no key is configured for a server with a database of its own, when there is none, or it is malformed.
        """
        if settings.secret_key is not None:
            return cls(_parse(settings.secret_key, "secret_key"))
        if settings.secret_key_file is not None:
            return cls(_parse(_read(settings.secret_key_file), str(settings.secret_key_file)))
        if settings.embedded:
            path = settings.data_dir / FILE_NAME
            if not make and not path.exists():
                raise SecretKeyError(f"There is no secret key in {settings.data_dir}: start `scimsrv serve` once, or give --data-dir.")
            return cls(_parse(_read_or_make(path), str(path)))
        raise SecretKeyError(
            "A server with a database URL needs a secret key that all its processes share: set secret_key_file to a file made with "
            "'python3 -c \"import secrets; print(secrets.token_urlsafe(32))\"', and keep a copy of it."
        )

    def derive(self, label: str) -> bytes:
        """Return the 32 bytes of the current version's key for a purpose."""
        return self._derive(label, max(self.secrets))

    def derive_all(self, label: str) -> tuple[bytes, ...]:
        """Return a purpose's key of every version, the current one first: what was made with an older one is still found."""
        return tuple(self._derive(label, version) for version in sorted(self.secrets, reverse=True))

    def _derive(self, label: str, version: int) -> bytes:
        # HKDF (RFC 5869) with one output block, which is exactly the length needed.
        extracted = hmac.digest(b"scimsrv", self.secrets[version], hashlib.sha256)
        return hmac.digest(extracted, f"{label}/{version}".encode() + b"\x01", hashlib.sha256)


def new_key() -> str:
    """Make the text of a key: 32 random bytes in base64url, marked as version 1."""
    return f"1:{secrets.token_urlsafe(_LENGTH)}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretKeyError(f"The secret key file {path} cannot be read: {error}.") from None


def _read_or_make(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        # Written aside and linked into place: a start that is killed leaves no half a key, and of two first starts one wins.
        aside = path.with_name(f"{path.name}.{os.getpid()}")
        aside.unlink(missing_ok=True)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, (new_key() + "\n").encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return _read(path)


def _parse(text: str, origin: str) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for entry in re.split(r"[\s,]+", text.strip()):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise SecretKeyError(f"The secret key in {origin} is not 32 bytes in base64url, one per line, optionally as VERSION:KEY.")
        version = int(match[1] or 1)
        if version in found:
            raise SecretKeyError(f"The secret key in {origin} holds version {version} twice; number the entries 1:KEY, 2:KEY, …")
        try:
            found[version] = base64.urlsafe_b64decode(match[2].rstrip("=") + "=")
        except binascii.Error:
            raise SecretKeyError(f"The secret key in {origin} is not base64url.") from None
    return found
