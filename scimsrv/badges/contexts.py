"""JSON-LD contexts: which ones are known, and by what digest; nothing is ever fetched.

A context decides what a signature covers, so each is pinned to the bytes that its publisher released. The bytes themselves come from a
folder of the operator's, or from an installed package that ships them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson

VC: Final = "https://www.w3.org/ns/credentials/v2"
VC_1: Final = "https://www.w3.org/2018/credentials/v1"
OPEN_BADGES: Final = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
EXTENSIONS: Final = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"
DATA_INTEGRITY: Final = "https://w3id.org/security/data-integrity/v2"
DID: Final = "https://www.w3.org/ns/did/v1"
MULTIKEY: Final = "https://w3id.org/security/multikey/v1"
JSON_WEB_KEY: Final = "https://w3id.org/security/jwk/v1"

#: The SHA-256 of each body that is accepted for a URL, the one that is used first.
DIGESTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        VC: ("59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734",),
        VC_1: ("3d0b277522ed24385c850b9882b9688687189b8f37a9bd9f1577e348b1019c44",),
        OPEN_BADGES: (
            "3d34f4d4ef1bce691106e63798beb5e7b862ba841423f5ee1e53ab7ddf3bca84",
            "ef2fa9c7846dce233cc166b43639027278be4ee44f00bb1d45c75de2dd0cd761",
        ),
        "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.2.json": (
            "00666ad080ba407687ed1846b7f5e7495f5019042b202a727de47c48a1755c53",
            "bba433989e1e700ca60838a3c22378e7d8381aeb0c9590f9ddf84d1714f10296",
        ),
        "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json": (
            "d582f3564282fb3b709136d28412e78e70b678b4dbc2f0221f67d84932748355",
            "cfc147db5fd5e3575b06bd471fe04784e92de69296f64a351b8dff0ec3372e9c",
        ),
        "https://purl.imsglobal.org/spec/ob/v3p0/context.json": ("b077fa134d909d92c1dcd1c153f2af1b244aeb415967fdc1467d7fc5dd48ac10",),
        EXTENSIONS: (
            "146f85aa16effd7ca1da8056eb443f53ce1eca8a34186cb062832c0a97d889c3",
            "87c06c81bc2317663bf288d740d94fddd2818c4342b186270ff6371dfaa63f93",
        ),
        DATA_INTEGRITY: ("67f21e6e33a6c14e5ccfd2fc7865f7474fb71a04af7e94136cb399dfac8ae8f4",),
        "https://w3id.org/security/data-integrity/v1": ("c6e5073f4bd4bf6d08f245736e6f32c29b012860b18583644b2d71e1de862669",),
        MULTIKEY: ("ba2c182de2d92f7e47184bcca8fcf0beaee6d3986c527bf664c195bbc7c58597",),
        JSON_WEB_KEY: ("0f14b62f6071aafe00df265770ea0c7508e118247d79b7d861a406d2aa00bece",),
        "https://www.w3.org/ns/credentials/status/v1": ("fda5add353231e6a6884a46b12e6c75464281900cb348284d9c360f62381d9f7",),
        "https://w3id.org/security/suites/ed25519-2020/v1": ("67646fbc0d6582ad7fbf08ccf0d3a4bedbb4177fd2d63385de52dc1b092ed6c5",),
        DID: ("adefa50311393eb1bd788a38ac9fe2696c65367928f6996812cd54577394f4da",),
        "https://w3id.org/openbadges/v2": ("393a890d7d95eb3a86f5f12309648a64c2d0676e5270e2967b5341a2dcea13d2",),
    }
)

#: Contexts without which nothing can be signed.
NEEDED: Final = (VC, OPEN_BADGES, EXTENSIONS)

#: Distributions that ship contexts as data files; none of their code is run.
_PACKAGES: Final = ("openbadgeslib",)

_LARGEST: Final = 256 * 1024


def load(folder: Path | None) -> Mapping[str, Mapping[str, Any]]:
    """The contexts that can be had, by URL: from the JSON files in the folder, whatever they are called, or without a folder from an
    installed package. What is not one of the known bodies is left out. Raises OSError when the folder cannot be read."""
    return known(_in_folder(folder) if folder is not None else _in_packages())


def known(bodies: Iterable[bytes]) -> Mapping[str, Mapping[str, Any]]:
    """Those of some bodies that are contexts by their digest, by URL."""
    digests = {hashlib.sha256(body).hexdigest(): body for body in bodies}
    found: dict[str, Mapping[str, Any]] = {}
    for url, accepted in DIGESTS.items():
        body = next((digests[digest] for digest in accepted if digest in digests), None)
        if body is not None:
            found[url] = orjson.loads(body)
    return MappingProxyType(found)


def _in_folder(folder: Path) -> Iterable[bytes]:
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".jsonld") and path.stat().st_size <= _LARGEST:
            yield path.read_bytes()


def _in_packages() -> Iterable[bytes]:
    for name in _PACKAGES:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            continue
        for file in files:
            path = Path(str(file.locate()))
            if path.parent.name == "contexts" and path.suffix == ".json" and path.is_file():
                yield path.read_bytes()
