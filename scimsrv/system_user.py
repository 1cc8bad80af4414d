"""Finds or makes the unprivileged account that Postgres runs as when we are root, and lets it reach its files."""

import contextlib
import os
import pwd
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

NAME: Final = "scimsrv-postgres"

_ACL: Final = "system.posix_acl_access"
_NO_ID = 0xFFFFFFFF
# Tags of an access control list in the form that Linux keeps it: owner, named user, group, mask, others.
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20


@dataclass(frozen=True, slots=True)
class Account:
    """A system account by its numbers."""

    uid: int
    gid: int


def database_account(directory: Path) -> Account | None:
    """Return the account to run Postgres as, None for ourselves; for root, which Postgres refuses, the data's owner or a new one."""
    if os.geteuid() != 0:
        return None
    if directory.exists() and directory.stat().st_uid != 0:
        return Account(directory.stat().st_uid, directory.stat().st_gid)
    for name in (NAME, "postgres", "nobody"):
        if name == NAME:
            _make_account()
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise OSError("no account found for Postgres to run as")


def admit(account: Account, folder: Path) -> None:
    """Let the account pass through folder and every folder above it, and no more than that.

    Where possible by an entry for this account alone; where the file system has no such lists, by the x bit for others, and says so.
    """
    for place in (folder, *folder.parents):
        if _may_pass(account, place):
            continue
        if not _admit_by_list(account, place):
            place.chmod(stat.S_IMODE(place.stat().st_mode) | stat.S_IXOTH)
            print(f"scimsrv: {place} can now be passed through by other users (o+x): Postgres does not run as root.", file=sys.stderr)  # noqa: T201


def readable(account: Account, program: Path, places: Iterable[Path]) -> None:
    """Make folders with all they hold readable for the account, should a strict umask at their installation have closed them.

    Nothing is changed when program, which is one of their files, can already be run.
    """
    with contextlib.suppress(PermissionError):
        if subprocess.run([program, "--version"], capture_output=True, check=False, cwd="/", **_identity(account)).returncode == 0:  # noqa: S603
            return
    for place in places:
        for entry in (place, *place.rglob("*")):
            mode = entry.stat().st_mode
            entry.chmod(stat.S_IMODE(mode) | (0o055 if entry.is_dir() or mode & stat.S_IXUSR else 0o044))


def _make_account() -> None:
    tool = shutil.which("useradd")
    try:
        pwd.getpwnam(NAME)
    except KeyError:
        if tool is not None:
            options = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
            subprocess.run([tool, *options, NAME], capture_output=True, check=False)  # noqa: S603 (found on PATH, fixed arguments)


def _identity(account: Account) -> dict[str, Any]:
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def _may_pass(account: Account, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    return bool(status.st_mode & stat.S_IXOTH) or any(
        tag == _USER and who == account.uid and rights & 1 for tag, rights, who in _read_list(folder)
    )


def _admit_by_list(account: Account, folder: Path) -> bool:
    mode = folder.stat().st_mode
    entries = {(tag, who): rights for tag, rights, who in _read_list(folder)} or {
        (_USER_OBJ, _NO_ID): mode >> 6 & 7,
        (_GROUP_OBJ, _NO_ID): mode >> 3 & 7,
        (_OTHER, _NO_ID): mode & 7,
    }
    entries[_USER, account.uid] = entries.get((_USER, account.uid), 0) | 1
    entries[_MASK, _NO_ID] = entries.get((_MASK, _NO_ID), entries[_GROUP_OBJ, _NO_ID]) | 1
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, entries[tag, who], who) for tag, who in sorted(entries))
    try:
        os.setxattr(folder, _ACL, packed)
    except (AttributeError, OSError):  # macOS has no such call, some file systems no such lists
        return False
    return True


def _read_list(folder: Path) -> list[tuple[int, int, int]]:
    """Return the entries (tag, rights, who) of a folder's access control list; empty when it has none."""
    try:
        packed = os.getxattr(folder, _ACL)
    except (AttributeError, OSError):
        return []
    return [struct.unpack_from("<HHI", packed, offset) for offset in range(4, len(packed), 8)]
