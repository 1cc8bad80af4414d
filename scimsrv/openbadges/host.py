"""The Open Badges API (Open Badges 3.0 §7) for the user whom a token stands for: own awards are read, credentials of others are kept here.

What is posted is stored as it came and given back as it came: a signature covers bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from scimsrv.badges import verification
from scimsrv.badges.strict import UnreadableError
from scimsrv.badges.verification import same_id
from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.openbadges import answers
from scimsrv.openbadges.answers import Answer, json
from scimsrv.openbadges.description import Published, description
from scimsrv.openbadges.office import Office
from scimsrv.protocol import planning
from scimsrv.protocol.body import read_object
from scimsrv.protocol.plan import Modify, Read
from scimsrv.protocol.response import Reply
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.policy import own_attributes
from scimsrv.schema.project import EVERYTHING, view
from scimsrv.store import wallet
from scimsrv.store.execute import execute
from scimsrv.store.issuing import find_public, is_recipient
from scimsrv.store.read import read
from scimsrv.store.scope import Scope

#: Credentials in a page, where nothing is said and at most; and those that a user may keep.
_PAGE: Final = 50
PAGE: Final = 200
KEPT: Final = 1_000

#: Characters of each of its texts that are kept with what was found of a credential.
_SHOWN: Final = 500

BYTES: Final = 1024 * 1024
"""Bytes of a credential that is kept."""

#: Media types of what is posted: a document, or a token.
_DOCUMENTS: Final = frozenset({"application/json", answers.CREDENTIAL, "application/vc"})


class QueryError(ScimError):
    """A parameter of the query string that is not what the API takes."""


@dataclass(frozen=True, slots=True)
class Host:
    """The API of one tenant."""

    office: Office
    slug: str

    @property
    def base(self) -> str:
        """Its URL."""
        return f"{self.office.public}/scim/{self.slug}/v2/ims/ob/v3p0"

    async def credentials(self, scope: Scope, user: str, asked: Mapping[str, str]) -> Answer:
        """A page of what the user has: awards and kept credentials, the oldest first; it may have fewer than `limit`, and says where the
        next one begins. Raises QueryError."""
        limit, offset = min(_number(asked, "limit", 1, _PAGE), PAGE), _number(asked, "offset", 0, 0)
        since = _since(asked.get("since"))
        page = await wallet.held_credentials(scope.pool, scope.tenant, user, since, limit, offset)
        documents = [one for one in page.bodies if not one.lstrip().startswith(b"eyJ")]
        tokens = [one.strip().decode() for one in page.bodies if one.lstrip().startswith(b"eyJ")]
        body = b'{"credential":[' + b",".join(documents) + b'],"compactJwsString":' + orjson.dumps(tokens) + b"}"
        headers = {"X-Total-Count": str(page.total), "Link": self._links(limit, offset, page, asked.get("since"))}
        return Answer(Reply(200, body, headers), answers.JSON)

    def _links(self, limit: int, offset: int, page: wallet.Held, since: str | None) -> str:
        offsets = {"first": 0, "last": page.last}
        if offset + len(page.bodies) < page.total:
            offsets["next"] = offset + len(page.bodies)
        if offset > 0:
            offsets["prev"] = page.before
        more = {} if since is None else {"since": since}
        return ", ".join(
            f'<{self.base}/credentials?{urlencode({"limit": limit, "offset": at} | more)}>; rel="{rel}"' for rel, at in offsets.items()
        )

    async def keep(self, scope: Scope, user: str, media_type: str, body: bytes, again: Callable[[], Awaitable[object]]) -> Answer:
        """Keep a credential, in place of an older one that is the same (Open Badges 3.0 §9): 201 for a new one, 200 for a replaced one and
        for an award that the user has here, 304 where the one that is kept was issued later.
        What is found to be wrong is refused, what cannot be judged is marked, or refused too where the policy keeps proven ones only.
        `again` asks, once that has been found out, whether it may still be kept.

        Raises ScimError 400, 404, 409, 413, 415, and what `again` does.
        """
        if media_type not in (*_DOCUMENTS, answers.TOKEN):
            raise ScimError(Kind.UNSUPPORTED_MEDIA, f"The body must be {answers.TOKEN} (a token), {', '.join(sorted(_DOCUMENTS))}")
        if len(body) > BYTES:
            raise ScimError(Kind.PAYLOAD_TOO_LARGE, f"A credential may have {BYTES} bytes")
        try:
            presented = verification.read(body)
        except UnreadableError as problem:
            raise invalid_value(f"The credential cannot be read: {problem}") from problem
        if (presented.token is not None) != (media_type == answers.TOKEN):
            raise invalid_value(f"A token is posted as {answers.TOKEN}, and nothing else is")
        id_, issuer = presented.credential.get("id"), presented.issuer
        if not isinstance(id_, str) or issuer is None or presented.form == "unsigned":
            raise invalid_value("The credential needs an id, an issuer and a proof")
        issued = presented.credential.get("validFrom", presented.credential.get("issuanceDate"))
        identity = f"{same_id(issuer)} {same_id(id_)}"
        if "\x00" in identity:
            raise invalid_value("The ids of the credential and its issuer must not have the character U+0000")
        if len(identity) > 2_000:
            raise invalid_value("The ids of the credential and its issuer are too long")
        found = await self._found(scope, body)
        await again()
        if await self._is_own(scope, user, issuer, id_):
            return Answer(Reply(200, body), media_type)  # which the user has already: it is the award
        new = await wallet.keep(scope.pool, scope.tenant, user, wallet.Kept(identity, _when(issued), media_type, body, found), KEPT)
        if new is None:
            return Answer(Reply(304), media_type)
        return Answer(Reply(201 if new else 200, body), media_type)

    async def _is_own(self, scope: Scope, user: str, issuer: str, id_: str) -> bool:
        """Whether a credential is that of an award which the user has here."""
        page = self.office.places(self.slug).award("")
        found = await find_public(scope.pool, scope.tenant, id_.removeprefix(page)) if id_.startswith(page) else None
        if found is None or orjson.loads(found.issued.credential)["issuer"]["id"] != issuer:
            return False
        return await is_recipient(scope.pool, scope.tenant, found.issued.award, user)

    async def _found(self, scope: Scope, body: bytes) -> str:
        """What is to be kept of the verdicts on a credential. Raises ScimError 400 for one that may not be kept."""
        report = await self.office.verify(body, tenant=scope.tenant, endorsed=False)
        signature, binding = report["signature"], report["issuerBinding"]
        if signature["verdict"] == "invalid" or binding["verdict"] == "contradicted":
            wrong = signature if signature["verdict"] == "invalid" else binding
            raise invalid_value(f"The credential is not what it says: {wrong.get('detail', 'its signature is invalid')}")
        if scope.catalog.policy.badge_keeping == "proven" and (signature["verdict"], binding["verdict"]) != ("valid", "proven"):
            raise invalid_value(f"The credential cannot be proven here: {signature.get('detail') or binding.get('detail')}")
        if scope.catalog.policy.badge_keeping == "proven" and report["schema"]["verdict"] != "valid":
            raise invalid_value(f"The credential is not what the standard says: {report['schema']['detail']}")
        said = report["credential"] | {name: report[name] for name in ("signature", "issuerBinding", "status", "schema")}
        return orjson.dumps(_short(said)).decode()

    async def kept(self, scope: Scope, user: str) -> Answer:
        """What the user keeps here, each with what was found of it when it was stored."""
        return json({"kept": await wallet.list_kept(scope.pool, scope.tenant, user)})

    async def profile(self, scope: Scope, users: EffectiveSchema, user: str) -> Answer:
        """Who the user is, as a Profile."""
        shown = await read(scope, Read(users, user, view(EVERYTHING, users)))
        document = orjson.loads(shown.stored.document)
        name = document.get("name") or {}
        mails = [one["value"] for one in document.get("emails", ()) if one.get("value")]
        found = {
            "id": f"urn:uuid:{user}",
            "type": ["Profile"],
            "name": document.get("displayName") or name.get("formatted") or document.get("userName"),
            "givenName": name.get("givenName"),
            "familyName": name.get("familyName"),
            "email": mails[0] if mails else None,
            "url": document.get("profileUrl"),
        }
        return json({key: value for key, value in found.items() if value})

    async def write_profile(self, scope: Scope, users: EffectiveSchema, user: str, body: bytes) -> Answer:
        """Change what the user is called, as far as the tenant's policy lets users change it themselves; what a profile says beyond that
        is another's to say, and stays. Raises ScimError 400 and 403."""
        given = read_object(body, scope.limits)
        changes = [
            {"op": "replace", "path": path, "value": given[name]} if given.get(name) else {"op": "remove", "path": path}
            for name, path in _WRITTEN.items()
            if name in given
        ]
        if not changes:
            raise invalid_value(f"The profile has none of {', '.join(_WRITTEN)}, which can be changed here")
        message = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": changes}
        plan = planning.write("PATCH", users, user, message, scope.catalog, EVERYTHING, scope.limits, None)
        assert isinstance(plan, Modify)
        await execute(scope, replace(plan, permitted=own_attributes(scope.catalog.policy)))
        return await self.profile(scope, users, user)

    def discovery(self, published: Published) -> Answer:
        """The service description (Open Badges 3.0 §7.2.2): what it is called and what may be done with which scope."""
        return json(description(self.slug, self.base, published))


#: What of a profile can be changed, and which attribute of the user it is.
_WRITTEN: Final = {"name": "displayName", "givenName": "name.givenName", "familyName": "name.familyName", "url": "profileUrl"}

#: The standard's words for failures, by status (Open Badges 3.0 §B.3.6).
_MINOR: Final = {
    400: "invalid_data",
    401: "unauthorizedrequest",
    403: "forbidden",
    404: "not_found",
    405: "not_allowed",
    406: "not_acceptable",
    413: "invalid_data",
    415: "invalid_data",
    429: "server_busy",
    500: "internal_server_error",
    503: "server_busy",
}


def failed(error: ScimError, *, query: bool = False) -> Answer:
    """A failure in the form of the API (Imsx_StatusInfo); `query`: one of the query string."""
    status = error.kind.value.status
    word = "invalid_query_parameter" if query else _MINOR.get(status, "unknown")
    minor = {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": word}
    return json(
        {
            "imsx_codeMajor": "unsupported" if status == 501 else "failure",
            "imsx_severity": "status" if status == 404 else "error",
            "imsx_description": error.sentence,
            "imsx_codeMinor": {"imsx_codeMinorField": [minor]},
        },
        status=status,
        headers=dict(error.headers),
    )


def _short(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a credential, without what of its texts is beyond a line or two: a list of all that is kept says it of each."""
    return {name: value[:_SHOWN] if isinstance(value, str) else _short(value) for name, value in said.items()}


def _number(asked: Mapping[str, str], name: str, least: int, default: int) -> int:
    text = asked.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < least:
        raise QueryError(Kind.INVALID_VALUE, f"{name} must be a whole number of at least {least}")
    return int(text)


def _since(text: str | None) -> datetime | None:
    if text is None:
        return None
    found = _instant(text.replace(" ", "+"))  # what a plus becomes that is not written as %2B
    if found is None:
        raise QueryError(Kind.INVALID_VALUE, "since must be a dateTime with an offset, such as 2026-01-31T12:00:00Z")
    return found


def _instant(text: str) -> datetime | None:
    """The time in UTC, None for what is none, or none of the years 1 to 9999 there."""
    try:
        when = datetime.fromisoformat(text) if len(text) <= 40 else None
        return None if when is None or when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _when(text: Any) -> datetime:
    """When a credential was issued; now, where it does not say."""
    return (_instant(text) if isinstance(text, str) else None) or datetime.now(UTC)
