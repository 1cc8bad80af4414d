"""Applications that users let reach the Open Badges API: they register themselves, ask for a user's permission, and get tokens for it.

OAuth 2.0 authorization code with PKCE as Open Badges 3.0 §7.3 says (RFC 6749, RFC 7591, RFC 7636, RFC 7009). A user answers by a token of
the tenant's that stands for them: at the operator's page, or at a plain one of this server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from scimsrv import tokens
from scimsrv.badges.consent import consent_page, consent_policy
from scimsrv.errors import Kind, ScimError
from scimsrv.http import Fields, read_body
from scimsrv.limits import DEFAULT
from scimsrv.oauth.asking import parameters
from scimsrv.oauth.authorization import (
    Refused,
    authenticated,
    back,
    is_renewable,
    not_granted,
    not_known,
    not_now,
    not_registered_for,
    query_of,
    read_authorization,
    read_exchange,
    redirect_of,
    refused_by_user,
)
from scimsrv.oauth.registration import read_registration
from scimsrv.observing import origin
from scimsrv.openbadges import answers
from scimsrv.openbadges.answers import Answer
from scimsrv.openbadges.description import ALL_SCOPES, meanings
from scimsrv.protocol.body import read_object
from scimsrv.protocol.response import Reply
from scimsrv.store import applications as store
from scimsrv.store.identity import Credential
from scimsrv.store.pool import Database

#: What the ids of applications begin with.
_APPLICATION: Final = "sba_"

#: Bytes of a request's body.
_BODY: Final = 32 * 1024

_FORM: Final = "application/x-www-form-urlencoded"
_CHALLENGE: Final = 'Basic realm="scim"'

#: Seconds after which an application that found no place may try again.
_RETRY_AFTER: Final = "30"

_PRIVATE: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def refusal(error: Refused) -> Answer:
    """An error in the form of RFC 6749 §5.2."""
    statuses = {"invalid_client": 401, "temporarily_unavailable": 503}
    status = statuses.get(error.error or "", 400)
    more = {401: {"WWW-Authenticate": _CHALLENGE}, 503: {"Retry-After": _RETRY_AFTER}}.get(status, {})
    return answers.json(dict(error.get_body()), status=status, headers={**_PRIVATE, **more})


@dataclass(frozen=True, slots=True)
class Applications:
    """The authorization server of one tenant's Open Badges API. `base` is the URL of the API, `consent` that of the page where users
    answer, with `{tenant}` and `{request}` in place of both; None for the page of this server. `address` and `network` are those of whoever
    asks."""

    pool: Database
    tenant: int
    slug: str
    base: str
    consent: str | None
    address: str
    network: str

    async def register(self, headers: Fields, receive: Any) -> Answer:
        """Register an application (RFC 7591 §3). Raises ScimError 413; what is wrong with the metadata is answered."""
        body = await read_body(headers, receive, _BODY)
        try:
            made = read_registration(read_object(body, DEFAULT), ALL_SCOPES)
        except Refused as error:
            return refusal(error)
        except ScimError as error:
            return refusal(Refused(error.sentence, error="invalid_client_metadata"))
        id_ = tokens.new_id(_APPLICATION)
        stored = await store.register(self.pool, self.tenant, id_, made, self.network)
        if stored is None:
            return refusal(not_now("There are as many applications in use as there may be."))
        secret, when = stored
        issued = {"client_id": id_, "client_secret": secret, "client_id_issued_at": int(when.timestamp()), "client_secret_expires_at": 0}
        return answers.json(issued | made, status=201, headers=_PRIVATE)

    async def authorize(self, query: bytes, *, head: bool = False) -> Answer:
        """Send the browser to where its user answers, or back to the application with what is wrong (RFC 6749 §4.1.2.1). Where only the
        `head` is wanted, nobody is asked and nothing stored."""
        try:
            given = query_of(query)
            found = await store.find_application(self.pool, self.tenant, given.get("client_id", ""))
            if found is None:  # no challenge, at which a browser would ask its user for a password
                raise _unknown_application()
            redirect = redirect_of(given, found.metadata)
        except Refused as error:  # nobody is sent to an address that no application has registered
            return refusal(error)
        try:
            wanted = read_authorization(given, found.metadata)
        except Refused as error:
            return _to(back(redirect, given.get("state", ""), error))
        if head:
            return Answer(Reply(200, b"", _PRIVATE), f"{answers.HTML}; charset=utf-8")
        request = await store.ask(self.pool, self.tenant, found.id, wanted, self.network)
        if request is None:  # it was removed just now
            return refusal(_unknown_application())
        if self.consent is not None:
            return _to(self.consent.replace("{tenant}", self.slug).replace("{request}", request))
        page = consent_page(found.metadata, meanings(wanted.scopes), f"{self.base}/oauth/requests/{request}")
        parts = urlsplit(redirect)
        policy = consent_policy(f"{parts.scheme}://{parts.netloc}")
        return Answer(Reply(200, page.encode(), _PRIVATE | {"Content-Security-Policy": policy}), f"{answers.HTML}; charset=utf-8")

    async def token(self, headers: Fields, receive: Any) -> Answer:
        """Tokens for a code or a refresh token (RFC 6749 §4.1.3, §6)."""
        body = await read_body(headers, receive, _BODY)
        try:
            given = parameters(headers.get(b"content-type"), body)
            id_, secret, asked = read_exchange(given, headers.all(b"authorization"))
            renewable = is_renewable((await self._known(id_, secret)).metadata)
            if isinstance(asked, store.ByCode):
                issued = await store.redeem(self.pool, self.tenant, id_, asked, self._by(id_), renewable=renewable)
            elif not renewable:
                raise not_registered_for()
            else:
                issued = await store.renew(self.pool, self.tenant, id_, asked.token, self._by(id_))
            if issued is None:
                raise not_granted()
        except Refused as error:
            return refusal(error)
        said: dict[str, Any] = {"access_token": issued.access, "token_type": "Bearer", "expires_in": store.ACCESS_SECONDS}
        said |= {"scope": " ".join(issued.scopes)} | ({} if issued.refresh is None else {"refresh_token": issued.refresh})
        return answers.json(said, headers=_PRIVATE | {"Pragma": "no-cache"})

    async def revoke(self, headers: Fields, receive: Any) -> Answer:
        """End what a token was given for; 200 for whatever is no token as well (RFC 7009 §2.2)."""
        body = await read_body(headers, receive, _BODY)
        try:
            given = parameters(headers.get(b"content-type"), body)
            id_, secret = authenticated(given, headers.all(b"authorization"))
            await self._known(id_, secret)
            if "token" not in given:
                raise Refused("token is required.", error="invalid_request")
        except Refused as error:
            return refusal(error)
        await store.end(self.pool, self.tenant, id_, given["token"], self._by(id_), "The application revoked it")
        return Answer(Reply(200, b"", _PRIVATE), answers.JSON)

    def _by(self, actor: str) -> list[str]:
        """By whom something is done, as statements are told: the actor, and id and address of the request."""
        found = origin()
        return [actor] if found is None else [actor, found[0], self.address]

    async def _known(self, id_: str, secret: str) -> store.Application:
        found = await store.find_application(self.pool, self.tenant, id_)
        if found is None or not found.has(secret):
            raise not_known()
        return found

    # -- for the user --------------------------------------------------------------------------------------------------------

    async def asked(self, request: str) -> Answer:
        """What the user is asked. Raises ScimError 404."""
        found = await store.find_asked(self.pool, self.tenant, request)
        if found is None:
            raise _nothing()
        return answers.json(_shown(found.metadata, found.scopes) | {"expires": found.expires}, headers=_PRIVATE)

    async def answered(self, request: str, user: str, shown: Credential, *, permit: bool, sent: bool) -> Answer:
        """Take the user's answer, by what the user `shown`. Where to go back to: the browser is `sent` there, or is told as JSON. Raises
        ScimError 404."""
        found = await store.answer(self.pool, self.tenant, request, user, shown.subject if permit else None, self._by(shown.actor))
        if found is None:
            raise _nothing()
        location = back(found.redirect, found.state, refused_by_user() if found.code is None else found.code)
        return _to(location) if sent else answers.json({"location": location}, headers=_PRIVATE)

    async def permitted(self, user: str) -> Answer:
        """What the user permits at present."""
        found = await store.list_permitted(self.pool, self.tenant, user)
        listed = [{"id": one.application} | _shown(one.metadata, one.scopes) | {"expires": one.expires} for one in found]
        return answers.json({"applications": listed}, headers=_PRIVATE)

    async def withdrawn(self, user: str, application: str, shown: Credential) -> Answer:
        """End what the user permits an application. Raises ScimError 404."""
        if not await store.withdraw(self.pool, self.tenant, user, application, self._by(shown.actor), "The user withdrew it"):
            raise _nothing()
        return Answer(Reply(204), answers.JSON)


def _shown(metadata: Mapping[str, Any], scopes: Sequence[str]) -> dict[str, Any]:
    """An application and what it wants, for a user."""
    named = {name: metadata[name] for name in ("client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri")}
    return {"application": named, "scopes": meanings(scopes)}


def _to(location: str) -> Answer:
    return Answer(Reply(303, b"", _PRIVATE | {"Location": location}), answers.JSON)


def _unknown_application() -> Refused:
    return Refused("client_id is not that of an application.", error="invalid_request")


def _nothing() -> ScimError:
    return ScimError(Kind.NOT_FOUND, "There is nothing that waits for an answer, or nothing permitted, under this id")


def answer_of(content_type: str | None, body: bytes) -> tuple[bool, str | None]:
    """What the user answers, and the token if it comes in a form of the page (RFC 6750 §2.2). Raises ScimError invalidValue."""
    if (content_type or "").partition(";")[0].strip().lower() != _FORM:
        try:
            said = orjson.loads(body)["permit"]
        except (orjson.JSONDecodeError, TypeError, KeyError):
            said = None
        if isinstance(said, bool):
            return said, None
    else:
        try:
            given = parameters(content_type, body)
        except Refused:
            given = {}
        if given.get("permit") in ("yes", "no"):
            return given["permit"] == "yes", given.get("access_token", "")
    raise ScimError(Kind.INVALID_VALUE, 'The body must say {"permit": true} or {"permit": false}')
