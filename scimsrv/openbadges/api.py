"""The Open Badges API of a tenant at its URLs (Open Badges 3.0 §7), and the authorization server that applications need for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from starlette.types import Receive
from starlette.types import Scope as Connection

from scimsrv.auth import Principal, Right, Shown
from scimsrv.errors import Kind, OverError, ScimError
from scimsrv.http import Fields, read_body
from scimsrv.oauth.service import client_address, client_network
from scimsrv.observe import denied
from scimsrv.observing import entered
from scimsrv.openbadges.answers import Answer
from scimsrv.openbadges.applications import Applications, answer_of
from scimsrv.openbadges.description import CHANGE, KEEP, PROFILE, READ, Published
from scimsrv.openbadges.front import Front
from scimsrv.openbadges.host import Host, QueryError
from scimsrv.openbadges.office import Office
from scimsrv.openbadges.owned import FOREIGN_BYTES
from scimsrv.protocol.request import parameters
from scimsrv.protocol.route import allow
from scimsrv.schema.badging import AWARD
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.store.applications import ACCESS, Access, end, find_access
from scimsrv.store.identity import load_catalog
from scimsrv.store.issuing import find_tenant_key, is_suspended
from scimsrv.store.me import find_me
from scimsrv.traffic import Addresses, Held

API: Final = ["ims", "ob", "v3p0"]
DISCOVERY: Final = [*API, "discovery"]
OAUTH: Final = [*API, "oauth"]

#: What is the user's own, beside the API.
OWN: Final = (["badges", "kept"], ["badges", "applications"])

#: The scope of the standard that an application needs.
_NEEDED: Final = {
    ("credentials", "GET"): READ,
    ("credentials", "HEAD"): READ,
    ("credentials", "POST"): KEEP,
    ("profile", "GET"): PROFILE,
    ("profile", "HEAD"): PROFILE,
    ("profile", "PUT"): CHANGE,
}

#: The calls that have a body.
_WRITTEN: Final = (("credentials", "POST"), ("profile", "PUT"))

#: The resource types that a user's own token has to be good for, where it is narrowed to some, by the last segment of the path.
_TYPES: Final = {"credentials": (AWARD,), "kept": (AWARD,), "profile": ("User",)}

#: Applications that may register from one network within a minute: they need no token.
REGISTRATIONS: Final = 10

_NOT_KNOWN: Final = 'Basic realm="scim", error="invalid_client"'

#: Bytes of a user's answer: a token, and the rest.
_ANSWER_BYTES: Final = 20 * 1024

#: Query parameters that are not given twice.
_ONCE: Final = frozenset({"limit", "offset", "since"})

#: What a verification counts as, which takes processor time.
_COSTLY: Final = 2


class Api:
    """The API of all tenants of a server."""

    def __init__(self, office: Office, front: Front, visits: Addresses, published: Published, consent: str | None) -> None:
        """`visits` counts the requests that need no token; `consent` is where users permit applications something."""
        self._office = office
        self._front = front
        self._visits = visits
        self._published = published
        self._consent = consent
        self._registrations = Addresses(REGISTRATIONS, "registrations", "There were too many registrations from this network")

    async def bearer(self, connection: Connection, headers: Fields, slug: str) -> tuple[Principal, Catalog, Access | None]:
        """Who asks at the Open Badges API: somebody with a token of the tenant's, or an application with one that its user let it have,
        which has scopes of the standard and no others."""
        shown = headers.all(b"authorization")
        scheme, _, token = shown[0].decode("latin-1").strip().partition(" ") if len(shown) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not token.startswith(f"{ACCESS}_"):
            return *await self._front.admit(connection, headers, slug), None
        tenant = await find_tenant_key(self._office.pool.across(), slug)
        found = None if tenant is None else await find_access(self._office.pool.of(tenant), tenant, token)
        if found is None or not found.good:
            denied("bearer", "invalid" if found is None else "expired")
            challenge = {"WWW-Authenticate": 'Bearer realm="scim", error="invalid_token"'}
            raise (ScimError if found is None else OverError)(Kind.UNAUTHORIZED, "The bearer token is not valid", headers=challenge)
        entered(slug, found.credential.kid, client_address(connection) or "")
        if not found.credential.active:
            raise ScimError(Kind.FORBIDDEN, "The tenant is suspended")
        principal = Principal(found.credential, math.inf)  # what it may do is asked for again here, by its own kind of token
        return principal, await self._front.catalog(principal), found

    async def _served(self, slug: str) -> tuple[int, Catalog]:
        """The tenant that has the API, for who has shown no token. Raises ScimError 404."""
        tenant = await find_tenant_key(self._office.pool.across(), slug)
        catalog = None if tenant is None else (await load_catalog(self._office.pool.of(tenant), tenant))[1]
        if tenant is None or catalog is None or not (catalog.policy.badges and catalog.policy.open_badges_api):
            raise ScimError(Kind.NOT_FOUND, "There is no such endpoint")
        return tenant, catalog

    def _applications(self, tenant: int, slug: str, connection: Connection) -> Applications:
        whence = (client_address(connection) or "", client_network(connection))
        return Applications(self._office.pool.of(tenant), tenant, slug, Host(self._office, slug).base, self._consent, *whence)

    async def authorization(
        self, slug: str, segments: list[str], methods: Sequence[str], connection: Connection, headers: Fields, receive: Receive
    ) -> Answer:
        """The authorization server of the Open Badges API. Raises ScimError 403, 404, 405 and 429; its other errors have their own form."""
        method = connection["method"]
        self._visits.count(client_network(connection))
        if method not in methods:
            raise ScimError(Kind.METHOD_NOT_ALLOWED, f"{method} is not allowed here", headers={"Allow": allow(methods)})
        tenant, _ = await self._served(slug)
        if await is_suspended(self._office.pool.of(tenant), tenant):
            raise ScimError(Kind.FORBIDDEN, "The tenant is suspended")
        served = self._applications(tenant, slug, connection)
        match segments:
            case ["register"]:
                self._registrations.count(served.network)
                return await served.register(headers, receive)
            case ["authorize"]:
                return await served.authorize(connection["query_string"], head=method == "HEAD")
            case ["token"]:
                return self._tried(await served.token(headers, receive), connection, headers)
            case ["revoke"]:
                return self._tried(await served.revoke(headers, receive), connection, headers)
            case ["requests", id_]:
                return await self._asked(served, id_, slug, connection, headers, receive)
        raise AssertionError("every place is one of these")

    def _tried(self, answer: Answer, connection: Connection, headers: Fields) -> Answer:
        """A refusal to know an application is a denied attempt. Raises ScimError 429 where there were too many of them."""
        if answer.reply.status == 401:
            error = ScimError(Kind.UNAUTHORIZED, "The application is not known", headers={"WWW-Authenticate": _NOT_KNOWN})
            judged = self._front.refused(connection, headers, error)
            if judged.kind is not Kind.UNAUTHORIZED:
                raise judged
        return answer

    async def _asked(self, served: Applications, id_: str, slug: str, connection: Connection, headers: Fields, receive: Receive) -> Answer:
        """What a user is asked, and the user's answer, with a token that stands for the user."""
        shown, permit, sent = headers.all(b"authorization"), True, False
        if connection["method"] == "POST":
            permit, token = answer_of(headers.get(b"content-type"), await read_body(headers, receive, _ANSWER_BYTES))
            if token is not None:
                shown, sent = [b"Bearer " + token.encode("utf-8", "replace")], True
        principal, catalog = await self._front.admitted(Shown(shown, slug, client_address(connection)))
        user, _ = await self._user(principal, catalog, (AWARD, "User"))  # an application may get at both
        if connection["method"] == "POST":
            return await served.answered(id_, user, principal.credential, permit=permit, sent=sent)
        return await served.asked(id_)

    async def _user(self, principal: Principal, catalog: Catalog, types: Sequence[str]) -> tuple[str, EffectiveSchema]:
        """The user whom a token of the tenant's stands for, which has to be good for these resource types. Raises ScimError 403, 404 and
        501."""
        _check_on(catalog)
        principal.require(Right.ME)
        for one in types:
            principal.credential.narrowing.require(one)
        return await self._stands_for(principal, catalog)

    async def _stands_for(self, principal: Principal, catalog: Catalog) -> tuple[str, EffectiveSchema]:
        subject, users = principal.credential.subject, catalog.by_name.get("User")
        if subject is None or users is None:
            raise ScimError(Kind.FORBIDDEN, "The token stands for a service and not for a user")
        return await find_me(self._front.scope_of(principal, catalog), users, subject), users

    async def answer(
        self, slug: str, segments: list[str], connection: Connection, headers: Fields, receive: Receive, places: Held
    ) -> Answer:
        """The Open Badges API (Open Badges 3.0 §7), for a token that stands for a user."""
        host = Host(self._office, slug)
        if segments == DISCOVERY:
            await self._served(slug)
            return host.discovery(self._published)
        principal, catalog, permitted = await self.bearer(connection, headers, slug)
        await self._front.enter(places, principal, catalog, _COSTLY if connection["method"] == "POST" else 1)
        call = (segments[-1], connection["method"])
        user, users = await self._user_at(principal, catalog, permitted, call)
        scope, body = self._front.scope_of(principal, catalog), b""
        if call in _WRITTEN:
            body = await read_body(headers, receive, FOREIGN_BYTES if call[0] == "credentials" else scope.limits.search_body_bytes)
            principal, catalog, permitted = await self.bearer(connection, headers, slug)  # the body may have taken long
            user, users = await self._user_at(principal, catalog, permitted, call)
            scope = self._front.scope_of(principal, catalog)
        try:
            asked = parameters(connection["query_string"], _ONCE)
        except ScimError as error:
            raise QueryError(error.kind, error.detail) from error
        match (segments[3:] if segments[:3] == API else segments[:2]), connection["method"]:
            case ["credentials"], "POST":
                media_type = (headers.get(b"content-type") or "").partition(";")[0].strip().lower()

                async def again() -> None:
                    if (await self._user_at(*await self.bearer(connection, headers, slug), call))[0] != user:
                        raise ScimError(Kind.NOT_FOUND, "The token stands for somebody else by now")

                return await host.keep(scope, user, media_type, body, again)
            case ["credentials"], _:
                return await host.credentials(scope, user, asked)
            case ["profile"], "PUT":
                return await host.write_profile(scope, users, user, body)
            case ["profile"], _:
                return await host.profile(scope, users, user)
            case ["badges", "kept"], _:
                return await host.kept(scope, user)
        applications = self._applications(scope.tenant, slug, connection)
        if connection["method"] == "DELETE":
            return await applications.withdrawn(user, segments[-1], principal.credential)
        return await applications.permitted(user)

    async def _user_at(
        self, principal: Principal, catalog: Catalog, permitted: Access | None, call: tuple[str, str]
    ) -> tuple[str, EffectiveSchema]:
        """The user for whom a call (the last segment of the path, and the method) is made. Raises ScimError 403, 404 and 501."""
        if permitted is None:
            return await self._user(principal, catalog, _TYPES.get(call[0], ()))
        return await self._user_of_application(principal, catalog, permitted, call)

    async def _user_of_application(
        self, principal: Principal, catalog: Catalog, permitted: Access, call: tuple[str, str]
    ) -> tuple[str, EffectiveSchema]:
        """The user who let an application have the token. What that user granted ends where the token does not lead there any more.
        Raises ScimError 403 where that does not permit this call, 404 and 501."""
        needed = _NEEDED.get(call)
        if needed is None or needed not in permitted.scopes:
            challenge = "" if needed is None else f', error="insufficient_scope", scope="{needed}"'
            wanted = "a token of the user's own" if needed is None else f"the scope {needed}"
            raise ScimError(Kind.FORBIDDEN, f"This needs {wanted}", headers={"WWW-Authenticate": f'Bearer realm="scim"{challenge}'})
        _check_on(catalog)
        try:
            user, users = await self._stands_for(principal, catalog)
            if user != permitted.user:  # somebody else has the name by now
                raise ScimError(Kind.FORBIDDEN, "The user who permitted this is not there any more")
        except ScimError as error:
            if error.kind in (Kind.NOT_FOUND, Kind.FORBIDDEN):
                scope = self._front.scope_of(principal, catalog)
                said = (principal.credential.kid, permitted.token, scope.by, "The token does not lead to its user any more")
                await end(scope.pool, scope.tenant, *said)
            raise
        return user, users


def _check_on(catalog: Catalog) -> None:
    if not (catalog.policy.badges and catalog.policy.open_badges_api):
        raise ScimError(Kind.NOT_IMPLEMENTED, "The Open Badges API is switched off")
    if catalog.policy.me == "off":
        raise ScimError(Kind.NOT_IMPLEMENTED, "The Open Badges API needs the policy switch me, which says whom a token stands for")
