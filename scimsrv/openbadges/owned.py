"""What a tenant's clients get and give with their token: awards as signed files and pictures, art, verification and extraction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any, Final

from scimsrv.badges import bake
from scimsrv.badges.strict import UnreadableError
from scimsrv.errors import Kind, ScimError
from scimsrv.openbadges import answers
from scimsrv.openbadges.answers import Answer, json
from scimsrv.openbadges.office import Office
from scimsrv.protocol.response import Reply
from scimsrv.schema.badging import ACHIEVEMENT, ISSUER
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.store import badge_images, issuing
from scimsrv.store.badge_images import StoredImage
from scimsrv.store.issuing import Issued
from scimsrv.store.scope import Scope

#: The forms of an award by the name at the end of its URL; without an ending the client's Accept decides.
FILES: Final[dict[str, tuple[str, ...]]] = {
    "credential.jwt": (answers.TOKEN,),
    "credential.json": (answers.CREDENTIAL,),
    "credential": (answers.TOKEN, answers.CREDENTIAL),
    "badge.png": (answers.PNG,),
    "badge.svg": (answers.SVG,),
    "badge": (answers.PNG, answers.SVG),
}

#: The resource types that have a picture, by their endpoints.
PICTURED: Final = {"Achievements": ACHIEVEMENT, "BadgeIssuers": ISSUER}

_PNG: Final = b"\x89PNG"

#: The most bytes of an upload, and of what is verified: the larger of what the two kinds of picture may have.
UPLOAD_BYTES: Final = max(bake.UPLOAD.png_bytes, bake.UPLOAD.svg_bytes)
FOREIGN_BYTES: Final = bake.FOREIGN.png_bytes


@dataclass(frozen=True, slots=True)
class Desk:
    """One tenant's part of the office."""

    office: Office
    tenant: int
    slug: str

    # -- awards ----------------------------------------------------------------------------------------------------------

    async def award(self, id_: str, name: str, accept: str | None, given: str | None) -> Answer:
        """An award as a signed file or picture. Raises ScimError 404 for what there is not, 406 for what the client does not take."""
        offered = FILES[name]
        issued = await issuing.issued_for(self.office.pool.of(self.tenant), self.tenant, id_)
        if issued is None:
            raise ScimError(Kind.NOT_FOUND, "There is no such award, or nothing was issued for it")
        if answers.PNG in offered and len(offered) > 1:
            offered = await self._drawn(issued) or offered
        if name == "credential":
            offered = (*offered, *answers.ALSO)
        form = offered[0] if accept is None or FILES[name] == (offered[0],) else answers.negotiated(accept, offered)
        made = replace(await self._form(answers.ALSO.get(form, form), issued), media_type=form)
        page = self.office.places(self.slug).award(issued.token)
        private = {"Cache-Control": "private, no-cache", "Link": f'<{page}>; rel="alternate"; type="{answers.HTML}"'}
        private |= {"Vary": "Accept"} if len(FILES[name]) > 1 else {}
        reply = answers.published(made, 0, given).reply
        headers = {key: value for key, value in reply.headers.items() if key != "Access-Control-Allow-Origin"}
        return Answer(Reply(reply.status, reply.body, headers | private), made.media_type)

    async def _form(self, form: str, issued: Issued) -> Answer:
        if form == answers.CREDENTIAL:
            return Answer(Reply(200, await self.office.document(self.tenant, issued)), answers.CREDENTIAL)
        token = await self.office.token(self.tenant, issued)
        if form == answers.TOKEN:
            return Answer(Reply(200, token.encode()), answers.TOKEN)
        return await self._baked(form, issued, token.encode())

    async def _drawn(self, issued: Issued) -> tuple[str, ...]:
        """The kind of picture that there is of the achievement, which is the only one that can be given."""
        art = await badge_images.find_image(self.office.pool.of(self.tenant), self.tenant, ACHIEVEMENT, issuing.achievement_of(issued))
        return () if art is None else (art.media_type,)

    async def _baked(self, form: str, issued: Issued, token: bytes) -> Answer:
        """The achievement's picture with the credential in it; decoded is nothing, copied once."""
        achievement = issuing.achievement_of(issued)
        art = await badge_images.find_image(self.office.pool.of(self.tenant), self.tenant, ACHIEVEMENT, achievement)
        if art is None or art.media_type != form:
            kind = "PNG" if form == answers.PNG else "SVG"
            raise ScimError(Kind.NOT_FOUND, f"The achievement has no {kind} picture: put one at /Achievements/{achievement}/image")
        try:
            if form == answers.PNG:
                plan = None if art.plan is None else bake.PngPlan.from_bytes(art.plan)
                return answers.image(bake.bake_png(art.image, token, plan=plan), answers.PNG, "badge")
            return answers.image(bake.bake_svg(art.image, token), answers.SVG, "badge")
        except bake.BakeError as error:
            raise ScimError(Kind.CONFLICT, f"The credential does not fit into the picture: {error}") from error

    # -- art -------------------------------------------------------------------------------------------------------------

    async def put_image(self, scope: Scope, endpoint: str, id_: str, body: bytes, tags: tuple[str, ...] | None) -> Answer:
        """Take in the picture of an achievement or an issuer, without what it holds beside the picture; `tags` are those of If-Match.
        Raises ScimError 400, 404, 412 and 428."""
        new = await asyncio.to_thread(_cleaned, body)
        version = await badge_images.put_image(scope, _conditional(scope, endpoint, tags), id_, tags, new)
        places = self.office.places(self.slug)
        owner = places.achievement(id_) if endpoint == "Achievements" else places.issuer(id_)
        shown = {"mediaType": new.media_type, "bytes": len(new.image), "sha256": new.digest, "url": f"{owner}/image"}
        return json(shown | {"version": f'W/"{version}"'}, headers={"Location": f"{owner}/image"})

    async def image(self, endpoint: str, id_: str, given: str | None) -> Answer:
        """The picture of an achievement or an issuer. Raises ScimError 404."""
        found = await badge_images.find_image(self.office.pool.of(self.tenant), self.tenant, PICTURED[endpoint], id_)
        if found is None:
            raise ScimError(Kind.NOT_FOUND, "The resource has no picture")
        made = answers.published(answers.image(found.image, found.media_type, "badge"), 0, given)
        headers = {key: value for key, value in made.reply.headers.items() if key != "Access-Control-Allow-Origin"}
        return Answer(Reply(made.reply.status, made.reply.body, headers | {"Cache-Control": "private, no-cache"}), made.media_type)

    async def drop_image(self, scope: Scope, endpoint: str, id_: str, tags: tuple[str, ...] | None) -> Answer:
        """Delete the picture of an achievement or an issuer; `tags` are those of If-Match. Raises ScimError 404, 412 and 428."""
        await badge_images.drop_image(scope, _conditional(scope, endpoint, tags), id_, tags)
        return Answer(Reply(204), answers.JSON)

    # -- other people's credentials ----------------------------------------------------------------------------------------

    async def verify(self, body: bytes, recipient: str | None) -> Answer:
        """The verdicts on a credential: a token, a JSON document, or a picture that holds one. Raises ScimError 400."""
        found = await asyncio.to_thread(_extracted, body)
        try:
            report = await self.office.verify(body if found is None else found.payload, recipient, tenant=self.tenant, renew=True)
        except UnreadableError as problem:
            raise ScimError(Kind.INVALID_VALUE, f"The credential cannot be read: {problem}") from problem
        return json(report | ({} if found is None else {"picture": {"form": found.form, "warnings": list(found.warnings)}}))

    async def extract(self, body: bytes) -> Answer:
        """What a picture holds, as found. Raises ScimError 400."""
        if not _is_picture(body):
            raise ScimError(Kind.INVALID_VALUE, "The body is neither a PNG nor an SVG picture")
        found = await asyncio.to_thread(_extracted, body)
        assert found is not None
        text = found.payload.decode("utf-8", "replace")
        shown: dict[str, Any] = {"form": found.form, "content": found.content, "payload": text, "warnings": list(found.warnings)}
        return json(shown)


def _is_picture(body: bytes) -> bool:
    return body.startswith(_PNG) or body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _extracted(body: bytes) -> bake.Extracted | None:
    """What a picture holds; None for what is no picture. Raises ScimError."""
    if not _is_picture(body):
        return None
    try:
        found = bake.extract_png(body) if body.startswith(_PNG) else bake.extract_svg(body)
    except bake.BakeError as error:
        raise ScimError(Kind.INVALID_VALUE, f"The picture cannot be read: {error}") from error
    if found is None:
        raise ScimError(Kind.INVALID_VALUE, "The picture holds no credential")
    return found


def _conditional(scope: Scope, endpoint: str, tags: tuple[str, ...] | None) -> EffectiveSchema:
    """The type whose picture is written. Raises ScimError 428 where the tenant's policy demands If-Match."""
    if tags is None and scope.catalog.policy.require_if_match:
        raise ScimError(Kind.PRECONDITION_REQUIRED)
    return scope.catalog.by_name[PICTURED[endpoint]]


def _cleaned(body: bytes) -> StoredImage:
    """What was uploaded, without what is no picture. Raises ScimError 400."""
    try:
        if body.startswith(_PNG):
            image = bake.strip_png(body)
            return StoredImage.of(answers.PNG, image, bake.scan_png(image).to_bytes())
        if _is_picture(body):
            return StoredImage.of(answers.SVG, bake.check_svg_art(body), None)
    except bake.BakeError as error:
        raise ScimError(Kind.INVALID_VALUE, f"The picture is refused: {error}") from error
    raise ScimError(Kind.INVALID_VALUE, "The body is neither a PNG nor an SVG picture")
