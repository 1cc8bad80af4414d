"""What anybody may ask without a token: issuers' profiles and keys, status lists, achievements, pictures, and the page of an award.

Nothing here tells tenants, issuers or awards apart that do not exist from those that are somebody else's: there is only 404.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from scimsrv.badges import profile
from scimsrv.badges.credential import achievement_object
from scimsrv.badges.credential import profile as profile_object
from scimsrv.badges.page import POLICY, Verified, missing_page, page
from scimsrv.errors import Kind, ScimError
from scimsrv.http import Fields
from scimsrv.openbadges import answers
from scimsrv.openbadges.answers import Answer
from scimsrv.openbadges.office import Office
from scimsrv.protocol.response import Reply
from scimsrv.schema.badging import ACHIEVEMENT, ISSUER
from scimsrv.store import badge_images, issuing
from scimsrv.store.badge_keys import published_keys
from scimsrv.store.issuing import Found
from scimsrv.store.signatures import status_token

_TYPES: Final = {"issuers": ISSUER, "achievements": ACHIEVEMENT}


async def answer(office: Office, segments: list[str], headers: Fields) -> Answer:
    """The answer to a GET; `segments` are those of the path, decoded. Raises ScimError 404 and 406."""
    given = headers.joined(b"if-none-match")
    match segments:
        case [".well-known", "jwks.json"]:
            return answers.published(await _everybody(office), answers.LONG, given)
        case ["badges", slug, "v", token, *rest]:
            return await _award(office, slug, token, rest, headers)
        case ["badges", slug, ("issuers" | "achievements") as kind, id_, "image"]:
            return answers.published(await _image(office, slug, _TYPES[kind], id_), answers.LONG, given)
        case ["badges", slug, "issuers", id_, "status", number] if number.isascii() and number.isdigit() and len(number) < 10:
            return answers.published(await _status(office, slug, id_, int(number)), answers.SHORT, given)
        case ["badges", slug, "achievements", id_]:
            return answers.published(await _achievement(office, slug, id_), answers.LONG, given)
        case ["badges", slug, "issuers", id_, *rest]:
            return answers.published(await _issuer(office, slug, id_, rest), answers.LONG, given)
    raise _nothing()


def _nothing() -> ScimError:
    return ScimError(Kind.NOT_FOUND, "There is nothing here")


async def _tenant(office: Office, slug: str) -> int:
    tenant = await issuing.find_tenant_key(office.pool.across(), slug)
    if tenant is None:
        raise _nothing()
    return tenant


async def _everybody(office: Office) -> Answer:
    return answers.json({"keys": await office.everybodys_keys()}, answers.JWK_SET)


async def _issuer(office: Office, slug: str, id_: str, rest: list[str]) -> Answer:
    tenant, places = await _tenant(office, slug), office.places(slug)
    keys = [one.key for one in await published_keys(office.pool.of(tenant), tenant, id_)]
    match rest:
        case ["jwks.json"] if keys:
            return answers.json(profile.jwk_set(places, id_, keys), answers.JWK_SET)
        case ["did.json"] if keys:
            return answers.json(profile.did_document(places, id_, keys), answers.DID)
        case ["keys", thumbprint]:
            for key in keys:
                if key.thumbprint == thumbprint and key.compromised is None:
                    return answers.json(profile.jwk(places, id_, key))
        case []:
            found = await issuing.find_document(office.pool.of(tenant), tenant, ISSUER, id_)
            if found is not None:
                shown = issuing.picture(places.issuer(id_), *found)
                return answers.json(profile.profile_document(places, id_, profile_object(places, found[0], shown), keys))
    raise _nothing()


async def _achievement(office: Office, slug: str, id_: str) -> Answer:
    tenant, places = await _tenant(office, slug), office.places(slug)
    found = await issuing.find_document(office.pool.of(tenant), tenant, ACHIEVEMENT, id_)
    if found is None:
        raise _nothing()
    shown = issuing.picture(places.achievement(id_), *found)
    return answers.json(profile.with_contexts(achievement_object(places, found[0], shown)))


async def _image(office: Office, slug: str, type_: str, id_: str) -> Answer:
    tenant = await _tenant(office, slug)
    found = await badge_images.find_image(office.pool.of(tenant), tenant, type_, id_)
    if found is None:
        raise _nothing()
    return answers.image(found.image, found.media_type, "badge")


async def _status(office: Office, slug: str, issuer: str, number: int) -> Answer:
    tenant = await _tenant(office, slug)
    token = await status_token(office.pool.of(tenant), office.keyring, tenant, office.places(slug), issuer, number)
    if token is None:
        raise _nothing()
    return Answer(Reply(200, token.encode()), answers.TOKEN)


# -- an award ----------------------------------------------------------------------------------------------------------------


async def _award(office: Office, slug: str, token: str, rest: list[str], headers: Fields) -> Answer:
    """The page of an award and its other forms. Only who knows the token finds it; nobody keeps it for long, since it may be revoked."""
    tenant = await issuing.find_tenant_key(office.pool.across(), slug)
    found = None if tenant is None else await issuing.find_public(office.pool.of(tenant), tenant, token)
    if rest:
        if tenant is None or found is None or len(rest) > 1 or rest[0] not in _NAMED:
            raise _nothing()
        return answers.published(await _NAMED[rest[0]](office, tenant, slug, found), answers.SHORT, headers.joined(b"if-none-match"))
    try:
        form = _form(office, headers)
        if tenant is not None and found is not None:
            made = replace(await _SHOWN[answers.ALSO.get(form, form)](office, tenant, slug, found), media_type=_TYPED.get(form, form))
            made = answers.published(made, answers.SHORT, headers.joined(b"if-none-match"))
        elif form == answers.HTML:
            made = Answer(Reply(404, missing_page().encode(), _page_headers()), _TYPED[form])
        else:
            raise _nothing()
    except ScimError as error:  # caches may keep what is missing, too
        raise replace(error, headers=error.headers | _VARY) from None
    return Answer(Reply(made.reply.status, made.reply.body, made.reply.headers | _VARY), made.media_type)


def _form(office: Office, headers: Fields) -> str:
    """What the client likes best of what an award can be had as. A form that this server cannot make, for want of contexts, gives way to
    any other that the client takes too. Raises ScimError 406 where it takes none."""
    accept = headers.joined(b"accept")
    form = answers.negotiated(accept, _FORMS)
    if answers.ALSO.get(form, form) == answers.CREDENTIAL and office.canonicalizer.problem() is not None:
        others = [one for one in _FORMS if answers.ALSO.get(one, one) != answers.CREDENTIAL]
        with suppress(ScimError):  # else it is said what is missing
            return answers.negotiated(accept, others)
    return form


def state_of(found: Found) -> str:
    """active, revoked, expired or not yet valid."""
    credential = orjson.loads(found.issued.credential)
    now = datetime.now(UTC)
    if found.revoked is not None:
        return "revoked"
    if datetime.fromisoformat(credential["validFrom"]) > now:
        return "not yet valid"
    if "validUntil" in credential and datetime.fromisoformat(credential["validUntil"]) <= now:
        return "expired"
    return "active"


async def _page(office: Office, tenant: int, slug: str, found: Found) -> Answer:
    report = await _report(office, tenant, slug, found)
    credential = orjson.loads(found.issued.credential)
    award = found.award or {}
    shown = Verified(
        url=credential["id"],
        credential=credential,
        recipient=_name(found),
        state=report["state"],
        revoked=found.revoked,
        reason=award.get("revocationReason"),
        picture=_own_picture(credential, office.public),
        verdicts=_sentences(report),
        alternates=_alternates(office, credential["id"]),
    )
    return Answer(Reply(200, page(shown).encode(), _page_headers()), f"{answers.HTML}; charset=utf-8")


def _alternates(office: Office, url: str) -> tuple[tuple[str, str], ...]:
    """The forms of the page for programs: the credential, where this server can make it as a document, and what is found of it."""
    document = () if office.canonicalizer.problem() is not None else ((answers.CREDENTIAL, f"{url}/credential.json"),)
    return (*document, (answers.JSON, f"{url}/verdicts.json"))


def _name(found: Found) -> str | None:
    """What the recipient is called, where the credential says at all whom it is about."""
    if "identifier" not in orjson.loads(found.issued.credential)["credentialSubject"]:
        return None
    name: str | None = (found.award or {}).get("recipient", {}).get("display")
    return name


def _page_headers() -> dict[str, str]:
    return {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


def _own_picture(credential: Any, public: str) -> str | None:
    """The achievement's picture where it is kept here: the page loads nothing from elsewhere. Relative, so that it is `self` everywhere."""
    url = credential["credentialSubject"]["achievement"].get("image", {}).get("id", "")
    return url if url.startswith(f"{public}/badges/") else None


def _sentences(report: dict[str, Any]) -> tuple[str, ...]:
    signature, binding = report["signature"]["verdict"], report["issuerBinding"]["verdict"]
    return (
        "The signature is valid." if signature == "valid" else f"Signature: {signature}.",
        "The key that signed it is the issuer's." if binding == "proven" else f"Issuer: {binding}.",
    )


async def _report(office: Office, tenant: int, _slug: str, found: Found) -> dict[str, Any]:
    """What the server finds of the credential itself: whoever needs no token has nothing else judged, and nothing fetched."""
    token = await office.token(tenant, found.issued)
    return await office.verify(token.encode(), tenant=tenant, endorsed=False) | {"state": state_of(found)}


async def _verdicts(office: Office, tenant: int, slug: str, found: Found) -> Answer:
    report = await _report(office, tenant, slug, found)
    revoked = {} if found.revoked is None else {"revoked": found.revoked.isoformat(timespec="seconds").replace("+00:00", "Z")}
    name = _name(found)
    return answers.json(report | revoked | ({} if name is None else {"recipientName": name}))


async def _token_form(office: Office, tenant: int, _slug: str, found: Found) -> Answer:
    return Answer(Reply(200, (await office.token(tenant, found.issued)).encode()), answers.TOKEN)


async def _document_form(office: Office, tenant: int, _slug: str, found: Found) -> Answer:
    return Answer(Reply(200, await office.document(tenant, found.issued)), answers.CREDENTIAL)


#: What an award can be had as, the first where nothing is said.
_FORMS: Final = (answers.HTML, answers.CREDENTIAL, answers.TOKEN, *answers.ALSO)

#: Media types that are answered with more than their name.
_TYPED: Final = {answers.HTML: f"{answers.HTML}; charset=utf-8"}

_VARY: Final = {"Vary": "Accept"}

_Shown = Callable[[Office, int, str, Found], Awaitable[Answer]]

_SHOWN: Final[dict[str, _Shown]] = {answers.HTML: _page, answers.CREDENTIAL: _document_form, answers.TOKEN: _token_form}

#: What is found below the address of an award, by its name there.
_NAMED: Final[dict[str, _Shown]] = {"credential.jwt": _token_form, "credential.json": _document_form, "verdicts.json": _verdicts}
