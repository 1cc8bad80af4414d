"""The URLs of badges: which of them a path names, who may ask there, and what is answered."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from starlette.types import Receive
from starlette.types import Scope as Connection

from scimsrv import own as own_badges
from scimsrv.auth import Principal, Right, Shown
from scimsrv.errors import Kind, ScimError
from scimsrv.http import Fields, read_body
from scimsrv.oauth.service import client_address
from scimsrv.observe import UNMATCHED
from scimsrv.openbadges import answers, public
from scimsrv.openbadges.answers import Answer
from scimsrv.openbadges.host import Host, failed
from scimsrv.openbadges.office import Office
from scimsrv.openbadges.owned import FILES, FOREIGN_BYTES, PICTURED, UPLOAD_BYTES, Desk
from scimsrv.protocol.request import if_none_match, parameters
from scimsrv.protocol.response import Reply
from scimsrv.protocol.route import VERSION, Endpoint, Route, allow, below_tenant, segments_of
from scimsrv.schema.badging import AWARD
from scimsrv.schema.catalog import Catalog
from scimsrv.store.identity import load_catalog
from scimsrv.store.issuing import find_tenant_key, is_recipient
from scimsrv.store.me import find_me
from scimsrv.store.scope import Scope
from scimsrv.traffic import Addresses, Held


class Front(NamedTuple):
    """What the application tells of who asks: whom the Authorization headers name at a tenant (raises ScimError 401, 403 and 404), what
    that tenant serves, what its statements are carried out with, and its base URL; `enter` lets a request in that counts as so many
    (raises ScimError 429), `refused` says what one that failed is answered."""

    principal: Callable[[Shown, Route], Awaitable[Principal]]
    catalog: Callable[[Principal], Awaitable[Catalog]]
    scope: Callable[[Principal, Catalog, str], Scope]
    base_url: Callable[[str], str]
    enter: Callable[[Held, Principal, Catalog, int], Awaitable[None]]
    refused: Callable[[Connection, Fields, ScimError], ScimError]


_WELL_KNOWN: Final = b"/.well-known/jwks.json"
_PUBLIC: Final = b"/badges/"
_MARKS: Final = re.compile(rb"/(?:badge|credential|image|ims/ob/)")
_API: Final = ["ims", "ob", "v3p0"]
_DISCOVERY: Final = [*_API, "discovery"]

_RIGHTS: Final = {"PUT": Right.WRITE, "DELETE": Right.WRITE}

_KEPT: Final = ["badges", "kept"]

#: What a verification counts as, which takes processor time.
_COSTLY: Final = 2


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names: the segments of a public URL, or those below a tenant (`slug`); `template` is the path with names in place of
    what a client may choose."""

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
    if methods is None:
        return None
    if version != "v2":
        raise ScimError(Kind.INVALID_VERSION, f"Version {version} of the protocol is not served; use v2")
    chosen = rest if len(rest) != 3 or rest[0] == _API[0] else [rest[0], "{id}", rest[2]]
    return Place(slug, rest, methods, "/" + "/".join(chosen))


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
        case ["badges", "kept"]:
            return ("GET", "HEAD")
        case ["ims", "ob", "v3p0", "credentials"]:
            return ("GET", "HEAD", "POST")
        case ["ims", "ob", "v3p0", "profile"]:
            return ("GET", "HEAD", "PUT")
        case ["ims", "ob", "v3p0", "discovery"]:
            return ("GET", "HEAD")
    return None


class Endpoints:
    """Answers at the URLs of badges."""

    def __init__(self, office: Office, front: Front, visits: Addresses) -> None:
        """`visits` counts the requests that need no token."""
        self._office = office
        self._front = front
        self._visits = visits

    async def respond(self, place: Place, connection: Connection, headers: Fields, receive: Receive, places: Held) -> Answer:
        """The answer. Raises ScimError, except for the Open Badges API, which has a form of its own for failures."""
        api = place.slug is not None and (place.segments[:3] == _API or place.segments == _KEPT)
        try:
            method = connection["method"]
            if place.slug is None or place.segments == _DISCOVERY:
                self._visits.count(client_address(connection) or "")
            else:
                await self._admit(connection, headers, place.slug)
            if method == "OPTIONS":
                return Answer(Reply(204, headers={"Allow": allow(place.methods)}), answers.JSON)
            if method not in place.methods:
                raise ScimError(Kind.METHOD_NOT_ALLOWED, f"{method} is not allowed here", headers={"Allow": allow(place.methods)})
            if place.slug is None:
                return await public.answer(self._office, place.segments, headers)
            if api:
                return await self._api(place.slug, place.segments[-1], connection, headers, receive, places)
            return await self._owned(place.slug, place.segments, connection, headers, receive, places)
        except ScimError as error:
            if not api:
                raise
            return failed(self._front.refused(connection, headers, error))

    async def _admit(self, connection: Connection, headers: Fields, slug: str) -> tuple[Principal, Catalog]:
        """Who asks at this tenant, and what it serves."""
        shown = Shown(headers.all(b"authorization"), slug, client_address(connection))
        principal = await self._front.principal(shown, Route(slug, Endpoint.ROOT))
        return principal, await self._front.catalog(principal)

    def _scope(self, principal: Principal, catalog: Catalog) -> Scope:
        return self._front.scope(principal, catalog, self._front.base_url(principal.credential.slug))

    async def _owned(
        self, slug: str, segments: list[str], connection: Connection, headers: Fields, receive: Receive, places: Held
    ) -> Answer:
        method = connection["method"]
        principal, catalog = await self._admit(connection, headers, slug)
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
                    principal, catalog = await self._admit(connection, headers, slug)  # the body may have taken long
                    principal.require(Right.WRITE)
                    return await desk.put_image(self._scope(principal, catalog), endpoint, id_, body, tags)
                if method == "DELETE":
                    return await desk.drop_image(self._scope(principal, catalog), endpoint, id_, tags)
                return await desk.image(endpoint, id_, none_match)
            case [_, id_, name]:
                return await desk.award(id_, name, headers.joined(b"accept"), none_match)
        raise AssertionError("every place is one of these")

    async def _is_own(self, principal: Principal, catalog: Catalog, award: str) -> bool:
        """Whether the token stands for the user whose award this is. Raises ScimError 404 where it stands for another one."""
        users, subject = catalog.by_name.get("User"), principal.credential.subject
        if principal.may(Right.READ) or not principal.may(Right.ME) or subject is None or users is None or catalog.policy.me == "off":
            return False
        user = await find_me(self._scope(principal, catalog), users, subject)
        if not await is_recipient(self._office.pool.of(principal.credential.tenant), principal.credential.tenant, award, user):
            raise ScimError(Kind.NOT_FOUND, "There is no such award, or nothing was issued for it")
        return True

    async def _api(self, slug: str, name: str, connection: Connection, headers: Fields, receive: Receive, places: Held) -> Answer:
        """The Open Badges API (Open Badges 3.0 §7), for a token that stands for a user."""
        host = Host(self._office, slug)
        if name == "discovery":
            tenant = await find_tenant_key(self._office.pool.across(), slug)
            policy = None if tenant is None else (await load_catalog(self._office.pool.of(tenant), tenant))[1].policy
            if policy is None or not (policy.badges and policy.open_badges_api):
                raise ScimError(Kind.NOT_FOUND, "There is no such endpoint")
            return host.discovery()
        principal, catalog = await self._admit(connection, headers, slug)
        await self._front.enter(places, principal, catalog, _COSTLY if connection["method"] == "POST" else 1)
        if not (catalog.policy.badges and catalog.policy.open_badges_api):
            raise ScimError(Kind.NOT_IMPLEMENTED, "The Open Badges API is switched off")
        if catalog.policy.me == "off":
            raise ScimError(Kind.NOT_IMPLEMENTED, "The Open Badges API needs the policy switch me, which says whom a token stands for")
        principal.require(Right.ME)
        subject, users = principal.credential.subject, catalog.by_name.get("User")
        if subject is None or users is None:
            raise ScimError(Kind.FORBIDDEN, "The token stands for a service and not for a user")
        scope = self._scope(principal, catalog)
        user = await find_me(scope, users, subject)
        asked = parameters(connection["query_string"])
        match name, connection["method"]:
            case "credentials", "POST":
                media_type = (headers.get(b"content-type") or "").partition(";")[0].strip().lower()
                return await host.keep(scope, user, media_type, await read_body(headers, receive, FOREIGN_BYTES))
            case "profile", "PUT":
                return await host.write_profile(scope, users, user, await read_body(headers, receive, scope.limits.search_body_bytes))
            case "credentials", _:
                return await host.credentials(scope, user, asked)
            case "kept", _:
                return await host.kept(scope, user)
        return await host.profile(scope, users, user)
