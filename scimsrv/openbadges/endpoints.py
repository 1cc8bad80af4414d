"""The URLs of badges: which of them a path names, who may ask there, and what is answered."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Final

from starlette.types import Receive
from starlette.types import Scope as Connection

from scimsrv import own as own_badges
from scimsrv.auth import Principal, Right
from scimsrv.errors import Kind, ScimError
from scimsrv.http import Disconnected, Fields, read_body
from scimsrv.oauth.service import client_network
from scimsrv.observe import UNMATCHED
from scimsrv.openbadges import answers, public
from scimsrv.openbadges.answers import Answer
from scimsrv.openbadges.api import API, DISCOVERY, OAUTH, OWN, Api
from scimsrv.openbadges.front import Front
from scimsrv.openbadges.host import QueryError, failed
from scimsrv.openbadges.office import Office
from scimsrv.openbadges.owned import FILES, FOREIGN_BYTES, PICTURED, UPLOAD_BYTES, Desk
from scimsrv.protocol.request import if_none_match, parameters
from scimsrv.protocol.response import Reply
from scimsrv.protocol.route import VERSION, allow, below_tenant, segments_of
from scimsrv.schema.badging import AWARD
from scimsrv.schema.catalog import Catalog
from scimsrv.store.failure import translated
from scimsrv.store.issuing import is_recipient
from scimsrv.store.me import find_me
from scimsrv.traffic import Addresses, Held

log = logging.getLogger("scimsrv")

_WELL_KNOWN: Final = b"/.well-known/jwks.json"
_PUBLIC: Final = b"/badges/"
_MARKS: Final = re.compile(rb"/(?:badge|credential|image|ims/ob/)")

_RIGHTS: Final = {"PUT": Right.WRITE, "DELETE": Right.WRITE}

#: What a verification counts as, which takes processor time.
_COSTLY: Final = 2


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names: the segments of a public URL, or those below a tenant (`slug`); `template` is the path with names in place of
    what a client may choose. Without methods there is nothing there, which the Open Badges API says in its own form."""

    slug: str | None
    segments: list[str]
    methods: tuple[str, ...] = ("GET", "HEAD")
    template: str = UNMATCHED


def place_of(raw_path: bytes) -> Place | None:
    """What the path names, None where it is none of the URLs of badges. Raises ScimError 404 and invalidVers."""
    if raw_path.startswith(_PUBLIC) or raw_path == _WELL_KNOWN:
        segments = segments_of(raw_path)
        return Place(None, segments, template=_public_template(segments))
    if _MARKS.search(raw_path) is None:
        return None
    slug, rest = below_tenant(segments_of(raw_path))
    version = "v2"
    if rest and VERSION.fullmatch(rest[0]):
        version, rest = rest[0].lower(), rest[1:]
    methods = _methods(rest)
    if rest[:2] == API[:2] and (methods is None or version != "v2"):
        return Place(slug, rest, ())
    if methods is None:
        return None
    if version != "v2":
        raise ScimError(Kind.INVALID_VERSION, f"Version {version} of the protocol is not served; use v2")
    return Place(slug, rest, methods, "/" + "/".join(_template(rest)))


def _template(rest: list[str]) -> list[str]:
    """The segments below a tenant with names in place of what a client may choose."""
    match rest:
        case ["badges", "applications", _] | ["ims", "ob", "v3p0", "oauth", "requests", _]:
            return [*rest[:-1], "{id}"]
        case [endpoint, _, name] if endpoint != API[0]:
            return [endpoint, "{id}", name]
    return rest


def _public_template(segments: list[str]) -> str:
    match segments:
        case ["badges", _, ("issuers" | "achievements" | "v") as kind, *_]:
            return f"/badges/{{tenant}}/{kind}"
        case [".well-known", "jwks.json"]:
            return _WELL_KNOWN.decode()
    return UNMATCHED


def _methods(rest: list[str]) -> tuple[str, ...] | None:
    """The methods of what these segments name, None where that is not for here."""
    match rest:
        case ["Awards", _, name] if name in FILES:
            return ("GET", "HEAD")
        case [endpoint, _, "image"] if endpoint in PICTURED:
            return ("GET", "HEAD", "PUT", "DELETE")
        case ["badges", "verify" | "extract"]:
            return ("POST",)
        case ["badges", "kept" | "applications"]:
            return ("GET", "HEAD")
        case ["badges", "applications", _]:
            return ("DELETE",)
        case ["ims", "ob", "v3p0", "oauth", "authorize"]:
            return ("GET", "HEAD")
        case ["ims", "ob", "v3p0", "oauth", "register" | "token" | "revoke"]:
            return ("POST",)
        case ["ims", "ob", "v3p0", "oauth", "requests", _]:
            return ("GET", "HEAD", "POST")
        case ["ims", "ob", "v3p0", "credentials"]:
            return ("GET", "HEAD", "POST")
        case ["ims", "ob", "v3p0", "profile"]:
            return ("GET", "HEAD", "PUT")
        case ["ims", "ob", "v3p0", "discovery"]:
            return ("GET", "HEAD")
    return None


class Endpoints:
    """Answers at the URLs of badges."""

    def __init__(self, office: Office, front: Front, api: Api, visits: Addresses) -> None:
        """`visits` counts the requests that need no token."""
        self._office = office
        self._front = front
        self._api = api
        self._visits = visits

    async def respond(self, place: Place, connection: Connection, headers: Fields, receive: Receive, places: Held) -> Answer:
        """The answer. Raises ScimError, except for the Open Badges API, which has a form of its own for failures."""
        if place.slug is not None and place.segments[:4] == OAUTH and place.methods:
            self._front.enter_unknown(places, client_network(connection))
            return await self._api.authorization(place.slug, place.segments[4:], place.methods, connection, headers, receive)
        api = place.slug is not None and (place.segments[:2] == API[:2] or place.segments[:2] in OWN)
        try:
            method = connection["method"]
            if place.slug is None or place.segments == DISCOVERY:
                self._visits.count(client_network(connection))
            else:
                await (self._api.bearer if api else self._front.admit)(connection, headers, place.slug)
            if not place.methods:
                raise ScimError(Kind.NOT_FOUND, "There is no such endpoint in the Open Badges API")
            if method == "OPTIONS":
                return Answer(Reply(204, headers={"Allow": allow(place.methods)}), answers.JSON)
            if method not in place.methods:
                raise ScimError(Kind.METHOD_NOT_ALLOWED, f"{method} is not allowed here", headers={"Allow": allow(place.methods)})
            if place.slug is None:
                return await public.answer(self._office, place.segments, headers)
            if api:
                return await self._api.answer(place.slug, place.segments, connection, headers, receive, places)
            return await self._owned(place.slug, place.segments, connection, headers, receive, places)
        except ScimError as error:
            if not api:
                raise
            query = isinstance(error, QueryError)
            return failed(self._front.refused(connection, headers, error), query=query)
        except Disconnected:
            raise
        except Exception as problem:
            if not api:
                raise
            known = translated(problem)
            if known is None:
                log.exception("a request failed")
            return failed(known or ScimError(Kind.INTERNAL))

    async def _owned(
        self, slug: str, segments: list[str], connection: Connection, headers: Fields, receive: Receive, places: Held
    ) -> Answer:
        method = connection["method"]
        principal, catalog = await self._front.admit(connection, headers, slug)
        await self._front.enter(places, principal, catalog, _COSTLY if segments[0] == "badges" else 1)
        if not catalog.policy.badges:
            raise ScimError(Kind.NOT_IMPLEMENTED, "Badges are switched off")
        if segments[0] in PICTURED:
            own_badges.require(principal, catalog, catalog.by_name[PICTURED[segments[0]]], _RIGHTS.get(method, Right.READ))
        elif segments[0] != "Awards" or not await self._is_own(principal, catalog, segments[1]):
            principal.require(Right.READ)
        if segments[0] != "badges":
            principal.credential.narrowing.require(PICTURED.get(segments[0], AWARD))
        desk = Desk(self._office, principal.credential.tenant, slug)
        none_match = headers.joined(b"if-none-match")
        match segments:
            case ["badges", "verify"]:
                asked = parameters(connection["query_string"]).get("recipient")
                return await desk.verify(await read_body(headers, receive, FOREIGN_BYTES), asked)
            case ["badges", "extract"]:
                return await desk.extract(await read_body(headers, receive, FOREIGN_BYTES))
            case [endpoint, id_, "image"]:
                given = headers.joined(b"if-match")
                tags = None if given is None else if_none_match(given)
                if method == "PUT":
                    body = await read_body(headers, receive, UPLOAD_BYTES)
                    principal, catalog = await self._front.admit(connection, headers, slug)  # the body may have taken long
                    principal.require(Right.WRITE)
                    return await desk.put_image(self._front.scope_of(principal, catalog), endpoint, id_, body, tags)
                if method == "DELETE":
                    return await desk.drop_image(self._front.scope_of(principal, catalog), endpoint, id_, tags)
                return await desk.image(endpoint, id_, none_match)
            case [_, id_, name]:
                return await desk.award(id_, name, headers.joined(b"accept"), none_match)
        raise AssertionError("every place is one of these")

    async def _is_own(self, principal: Principal, catalog: Catalog, award: str) -> bool:
        """Whether the token stands for the user whose award this is. Raises ScimError 404 where it stands for another one."""
        users, subject = catalog.by_name.get("User"), principal.credential.subject
        if principal.may(Right.READ) or not principal.may(Right.ME) or subject is None or users is None or catalog.policy.me == "off":
            return False
        user = await find_me(self._front.scope_of(principal, catalog), users, subject)
        if not await is_recipient(self._office.pool.of(principal.credential.tenant), principal.credential.tenant, award, user):
            raise ScimError(Kind.NOT_FOUND, "There is no such award, or nothing was issued for it")
        return True
