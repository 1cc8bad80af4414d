"""Mistakes in what is shown of a resource: meta, projection, references, versions, headers."""

from __future__ import annotations

import dataclasses
from dataclasses import replace as changed
from typing import Any

import orjson

from scimsrv import http as http_module
from scimsrv.protocol import request, route
from scimsrv.protocol import response as response_module
from scimsrv.protocol.plan import Created, Page, Shown
from scimsrv.protocol.response import Renderer, Reply
from scimsrv.protocol.route import Endpoint
from scimsrv.schema import project
from scimsrv.schema.attribute import Returned
from scimsrv.schema.project import EVERYTHING, Projection, View
from scimsrv.store import source as source_module
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import answer, everywhere, headers, listed, replace, shown


def _meta_lacks(part: str) -> None:
    @variant(f"meta_lacks_{part.lower()}", f"Resources have no meta.{part}.")
    def apply() -> None:
        shown(lambda document: document.get("meta", {}).pop(part, None) and None)


for _part in ("resourceType", "created", "lastModified", "location", "version"):
    _meta_lacks(_part)


@mutant
def meta_is_missing() -> None:
    """Resources have no meta."""
    shown(lambda document: {name: value for name, value in document.items() if name != "meta"})


def _meta(edit: Any) -> None:
    def changed_meta(document: Any) -> None:
        if "meta" in document:
            document["meta"] = document["meta"] | edit(document)

    shown(changed_meta)


@mutant
def location_is_relative() -> None:
    """meta.location has no host."""
    _meta(lambda document: {"location": "/" + document["meta"].get("location", "").split("/", 3)[-1]})


@mutant
def location_with_query() -> None:
    """meta.location has a query."""
    _meta(lambda document: {"location": document["meta"].get("location", "") + "?v=2"})


@mutant
def location_leads_nowhere() -> None:
    """meta.location names another resource."""
    _meta(lambda document: {"location": document["meta"].get("location", "") + "0"})


@mutant
def location_without_version() -> None:
    """meta.location differs from the Location header."""
    _meta(lambda document: {"location": document["meta"].get("location", "").replace("/v2/", "/v3/")})


@mutant
def resource_type_is_user() -> None:
    """meta.resourceType is always User."""
    _meta(lambda _: {"resourceType": "User"})


@mutant
def created_is_last_modified() -> None:
    """meta.created changes with every write."""
    _meta(lambda document: {"created": document["meta"].get("lastModified")})


@mutant
def last_modified_is_created() -> None:
    """meta.lastModified never changes."""
    _meta(lambda document: {"lastModified": document["meta"].get("created")})


@mutant
def times_are_no_datetimes() -> None:
    """Times are written with a space instead of the T."""
    _meta(lambda document: {name: document["meta"][name].replace("T", " ") for name in ("created", "lastModified")})


@mutant
def times_without_zone() -> None:
    """Times are written without an offset."""
    _meta(lambda document: {name: document["meta"][name].rstrip("Z") for name in ("created", "lastModified")})


@mutant
def version_differs_from_etag() -> None:
    """meta.version is not the ETag."""
    _meta(lambda document: {"version": 'W/"x"'})


@mutant
def version_is_a_number() -> None:
    """meta.version is a number."""
    _meta(lambda document: {"version": 1})


@mutant
def schemas_lack_extensions() -> None:
    """schemas names the core schema only."""
    shown(lambda document: document | {"schemas": document["schemas"][:1]} if "schemas" in document else None)


@mutant
def schemas_name_all_extensions() -> None:
    """schemas names the enterprise extension of every user."""
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

    def edit(document: Any) -> None:
        if "userName" in document and urn not in document.get("schemas", [urn]):
            document["schemas"].append(urn)

    shown(edit)


@mutant
def schemas_are_missing() -> None:
    """Resources have no schemas."""
    shown(lambda document: {name: value for name, value in document.items() if name != "schemas"})


@mutant
def schemas_twice() -> None:
    """schemas names the core schema twice."""
    shown(lambda document: document | {"schemas": [*document.get("schemas", ()), *document.get("schemas", ())[:1]]})


@mutant
def schemas_of_a_message() -> None:
    """schemas of a resource has a message's URN."""
    shown(lambda document: document | {"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]})


@mutant
def id_is_missing() -> None:
    """Resources have no id."""
    shown(lambda document: {name: value for name, value in document.items() if name != "id"})


@mutant
def id_is_a_word() -> None:
    """Every second resource has the same id for a client."""
    shown(lambda document: document | {"id": "bulkId"} if document.get("displayName") else None)


@mutant
def attributes_in_lower_case() -> None:
    """Attribute names are shown in lower case."""
    shown(lambda document: {name.lower() if ":" not in name else name: value for name, value in document.items()})


@mutant
def urns_in_lower_case() -> None:
    """URNs are shown in lower case."""
    shown(lambda document: {name.lower() if ":" in name else name: value for name, value in document.items()})


@mutant
def extension_attributes_at_the_top() -> None:
    """An extension's attributes are shown among the core ones."""

    def edit(document: Any) -> Any:
        flat = {name: value for name, value in document.items() if ":" not in name}
        for name, value in document.items():
            if ":" in name:
                flat |= value
        return flat

    shown(edit)


@mutant
def empty_values_are_shown() -> None:
    """Attributes without a value are shown as null."""
    shown(lambda document: {"nickName": None, "title": None} | document if "userName" in document else None)


@mutant
def empty_arrays_are_shown() -> None:
    """Multi-valued attributes without a value are shown as empty arrays."""
    shown(lambda document: {"ims": [], "members": []} | document)


@mutant
def unknown_attribute_is_shown() -> None:
    """Resources have an attribute that no schema defines."""
    shown(lambda document: document | {"shard": "7"})


@mutant
def texts_in_lower_case() -> None:
    """Texts that are not case-exact are shown in lower case."""
    shown(lambda document: document | {"userName": document["userName"].lower()} if "userName" in document else None)


@mutant
def line_breaks_are_spaces() -> None:
    """Line breaks in texts are shown as spaces."""
    shown(lambda document: orjson.loads(orjson.dumps(document).replace(b"\\n", b" ")))


@mutant
def primary_is_always_shown() -> None:
    """The first value of a list is shown as primary."""

    def edit(document: Any) -> None:
        for name in ("emails", "phoneNumbers", "addresses", "photos", "ims", "roles"):
            if document.get(name) and isinstance(document[name][0], dict):
                document[name][0]["primary"] = True

    shown(edit)


@mutant
def booleans_as_text() -> None:
    """active is shown as a string."""
    shown(lambda document: document | {"active": str(document["active"]).lower()} if "active" in document else None)


@mutant
def numbers_are_integers() -> None:
    """Decimals are shown as integers."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: walk(part) for name, part in value.items()}
        if isinstance(value, list):
            return [walk(part) for part in value]
        return round(value) if isinstance(value, float) else value

    shown(walk)


@mutant
def integers_are_decimals() -> None:
    """Integers are shown with a fraction."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: walk(part) for name, part in value.items()}
        if isinstance(value, list):
            return [walk(part) for part in value]
        return float(value) if type(value) is int else value

    shown(walk)


@mutant
def first_value_is_shown() -> None:
    """Of several values the first is shown."""
    shown(lambda document: {name: value[:1] if isinstance(value, list) and name != "schemas" else value for name, value in document.items()})


@mutant
def values_in_reverse() -> None:
    """Several values are shown last first."""
    shown(lambda document: {name: value[::-1] if isinstance(value, list) and name != "schemas" else value for name, value in document.items()})


@mutant
def values_twice() -> None:
    """The first of several values is shown twice."""
    shown(
        lambda document: {
            name: [*value, *value[:1]] if isinstance(value, list) and name != "schemas" else value for name, value in document.items()
        }
    )


def _without_element_part(part: str) -> Any:
    def edit(document: Any) -> None:
        for name in ("members", "groups"):
            for element in document.get(name, ()):
                element.pop(part, None)

    return edit


@mutant
def references_lack_ref() -> None:
    """Members and groups have no $ref."""
    shown(_without_element_part("$ref"))


@mutant
def references_lack_type() -> None:
    """Members and groups have no type."""
    shown(_without_element_part("type"))


@mutant
def references_lack_display() -> None:
    """Members and groups have no display."""
    shown(_without_element_part("display"))


@mutant
def references_lead_elsewhere() -> None:
    """The $ref of a member or group leads to another endpoint."""

    def edit(document: Any) -> None:
        for name in ("members", "groups"):
            for element in document.get(name, ()):
                element["$ref"] = element.get("$ref", "").replace("/Users/", "/People/").replace("/Groups/", "/Teams/")

    shown(edit)


@mutant
def member_type_is_user() -> None:
    """Every member is said to be a User."""

    def edit(document: Any) -> None:
        for element in document.get("members", ()):
            element["type"] = "User"

    shown(edit)


@mutant
def manager_lacks_ref() -> None:
    """A manager has no $ref."""

    def edit(document: Any) -> None:
        for name, value in document.items():
            if ":" in name and "manager" in value:
                value["manager"].pop("$ref", None)

    shown(edit)


@mutant
def manager_display_name_is_made_up() -> None:
    """A manager's displayName is the id."""

    def edit(document: Any) -> None:
        for name, value in document.items():
            if ":" in name and "manager" in value:
                value["manager"]["displayName"] = value["manager"].get("value")

    shown(edit)


@mutant
def groups_are_never_shown() -> None:
    """Users have no groups."""
    shown(lambda document: {name: value for name, value in document.items() if name != "groups"})


@mutant
def groups_are_direct_only() -> None:
    """Users' groups lack those that hold their groups."""
    first, _, _ = source_module.UPWARDS.partition(" UNION ")
    text = first + ") SELECT up.source, 'direct' AS type FROM up)"
    everywhere(source_module.UPWARDS, text.removesuffix(")") + " GROUP BY up.source)")


@mutant
def groups_are_all_direct() -> None:
    """All of a user's groups are said to be direct."""

    def edit(document: Any) -> None:
        for element in document.get("groups", ()):
            element["type"] = "direct"

    shown(edit)


@mutant
def groups_vanish_with_projection() -> None:
    """Asking for groups alone shows none."""
    original = project.view
    everywhere(
        original,
        lambda projection, schema: changed(original(projection, schema), backlinks=())
        if projection.only is not None
        else original(projection, schema),
    )


@mutant
def password_is_shown() -> None:
    """Users show a password."""
    shown(lambda document: document | {"password": "x"} if "userName" in document else None)


@mutant
def password_hash_is_shown() -> None:
    """A user's passwords are kept in the document, and shown."""
    from scimsrv.schema.validate import Coercer

    def made(original: Any) -> Any:
        def resource(self: Any, body: Any, schema: Any) -> Any:
            draft = original(self, body, schema)
            return changed(draft, document=draft.document | {"password": draft.secrets["password"]}) if draft.secrets else draft

        return resource

    replace(Coercer, "resource", made)


# -- projection ------------------------------------------------------------------------------------------------------------


@mutant
def attributes_are_ignored() -> None:
    """The parameter attributes changes nothing."""
    everywhere(request._projection, lambda only, without, limits: Projection(None, request._names(without, limits)))


@mutant
def excluded_attributes_are_ignored() -> None:
    """The parameter excludedAttributes changes nothing."""
    everywhere(request._projection, lambda only, without, limits: Projection(request._names(only, limits) or None))


@mutant
def both_projections_are_taken() -> None:
    """attributes and excludedAttributes may be given together."""
    everywhere(
        request._projection,
        lambda only, without, limits: Projection(request._names(only, limits) or None, request._names(without, limits)),
    )


@mutant
def projection_drops_always() -> None:
    """What is always returned can be left out."""
    replace(View, "shows", lambda original: lambda self, place: place.key not in self.without and _named(self, place, original))
    replace(View, "_shows_part", lambda original: lambda self, place, sub: _part(self, place, sub, original))


def _named(view: View, place: Any, original: Any) -> bool:
    if view.only is not None and place.attribute.returned is Returned.ALWAYS:
        return place.key in view.only
    return bool(original(view, place))


def _part(view: View, place: Any, sub: Any, original: Any) -> bool:
    return f"{place.key}.{sub.key}" not in view.without and bool(original(view, place, sub))


@mutant
def projection_excludes_always() -> None:
    """excludedAttributes takes away what is always returned."""
    replace(View, "shows", lambda original: lambda self, place: place.key not in self.without and bool(original(self, place)))
    original = project.view
    everywhere(original, lambda projection, schema: changed(original(projection, schema), as_stored=not projection.asked))


@mutant
def projection_of_whole_attributes() -> None:
    """Naming a sub-attribute shows the whole attribute."""
    replace(
        View, "_shows_part", lambda original: lambda self, place, sub: f"{place.key}.{sub.key}" not in self.without and _default(sub)
    )


def _default(sub: Any) -> bool:
    return sub.returned in (Returned.DEFAULT, Returned.ALWAYS)


@mutant
def projection_knows_no_sub_attributes() -> None:
    """Naming a sub-attribute names nothing."""
    original = project._keys
    everywhere(original, lambda names, schema: frozenset(key for key in original(names, schema) if "." not in key.rpartition(":")[2]))


@mutant
def projection_cannot_exclude_parts() -> None:
    """A sub-attribute cannot be excluded."""
    original = project.view
    everywhere(
        original,
        lambda projection, schema: original(
            changed(projection, without=frozenset(name for name in projection.without if "." not in name.rpartition(":")[2])), schema
        ),
    )


@mutant
def projection_knows_no_urns() -> None:
    """A name with a URN in front names nothing in attributes and excludedAttributes."""
    original = project._keys
    everywhere(original, lambda names, schema: original([name for name in names if not name.startswith("urn:")], schema))


@mutant
def projection_with_case() -> None:
    """Names in attributes and excludedAttributes count with their case."""
    original = request._names

    def _names(given: Any, limits: Any) -> Any:
        known = {"userName", "displayName", "emails", "title", "name.familyName", "members", "nickName"}
        text = given.split(",") if isinstance(given, str) else list(given or ())
        return original([name for name in text if name in known or ":" in name or "." in name or name == name.lower()], limits)

    everywhere(original, _names)


@mutant
def projection_refuses_unknown_names() -> None:
    """A name that means nothing in attributes is an error."""
    from scimsrv.errors import invalid_value

    original = project._keys

    def _keys(names: Any, schema: Any) -> Any:
        for name in names:
            if schema.resolve(name) is None and schema.schema(name) is None:
                raise invalid_value(f"unknown attribute {name}")
        return original(names, schema)

    everywhere(original, _keys)


@mutant
def projection_not_in_lists() -> None:
    """attributes and excludedAttributes count for single resources only."""
    from scimsrv.protocol import planning

    replace(planning, "query", lambda original: lambda schemas, asked: original(schemas, changed(asked, projection=EVERYTHING)))


@mutant
def projection_not_in_searches() -> None:
    """attributes and excludedAttributes of a search by POST are ignored."""
    original = request.search_by_body
    everywhere(original, lambda body, limits: changed(original(body, limits), projection=EVERYTHING))


@mutant
def projection_not_of_writes() -> None:
    """attributes and excludedAttributes do not shape the answers to POST, PUT and PATCH."""
    from scimsrv.protocol import planning

    for name in ("insert", "overwrite", "modify"):
        replace(
            planning,
            name,
            lambda original: lambda *args: original(*(EVERYTHING if isinstance(arg, Projection) else arg for arg in args)),
        )


@mutant
def projection_decides_what_is_stored() -> None:
    """What the answer to a create leaves out is not stored."""
    from scimsrv.protocol import planning

    def made(original: Any) -> Any:
        def insert(body: Any, schema: Any, catalog: Any, projection: Projection, limits: Any) -> Any:
            kept = {
                name: value
                for name, value in body.items()
                if name.lower() not in projection.without and (projection.only is None or name.lower() in projection.only | {"schemas"})
            }
            return original(kept, schema, catalog, projection, limits)

        return insert

    replace(planning, "insert", made)


@mutant
def returned_on_request_is_default() -> None:
    """What is returned on request only is always shown."""
    replace(View, "shows", lambda original: lambda self, place: _requested(self, place, original))


def _requested(view: View, place: Any, original: Any) -> bool:
    if place.attribute.returned is Returned.REQUEST and view.only is None:
        return place.key not in view.without
    return bool(original(view, place))


@mutant
def returned_on_request_is_never() -> None:
    """What is returned on request only is never shown."""
    replace(
        View, "shows", lambda original: lambda self, place: place.attribute.returned is not Returned.REQUEST and original(self, place)
    )


@mutant
def extensions_vanish_from_projections() -> None:
    """A projection never shows an extension."""
    original = project.project
    everywhere(
        original,
        lambda document, schema, view: {name: value for name, value in original(document, schema, view).items() if ":" not in name},
    )


@mutant
def excluded_members_are_shown_in_lists() -> None:
    """Excluded members are shown in lists."""
    from scimsrv.protocol import planning

    def made(original: Any) -> Any:
        def query(schemas: Any, asked: Any) -> Any:
            without = asked.projection.without - {"members"}
            return original(schemas, changed(asked, projection=changed(asked.projection, without=without)))

        return query

    replace(planning, "query", made)


# -- headers and versions --------------------------------------------------------------------------------------------------


@mutant
def no_location_header() -> None:
    """The answer to a create has no Location."""
    answer(lambda outcome, reply: headers(reply, Location=None) if isinstance(outcome, Created) else reply)


@mutant
def location_header_of_the_collection() -> None:
    """The Location of a create is the collection."""
    answer(
        lambda outcome, reply: headers(reply, Location=reply.headers["Location"].rpartition("/")[0])
        if isinstance(outcome, Created)
        else reply
    )


@mutant
def created_is_ok() -> None:
    """A create is answered with 200."""
    answer(lambda outcome, reply: changed(reply, status=200) if isinstance(outcome, Created) else reply)


@mutant
def created_is_empty() -> None:
    """The answer to a create has only the id."""

    def edit(outcome: Any, reply: Reply) -> Reply:
        if not isinstance(outcome, Created) or not isinstance(reply.body, bytes):
            return reply
        kept = {name: value for name, value in orjson.loads(reply.body).items() if name in ("schemas", "id", "meta", "userName")}
        return changed(reply, body=orjson.dumps(kept))

    answer(edit)


@mutant
def no_etag() -> None:
    """Answers have no ETag."""
    answer(lambda outcome, reply: headers(reply, ETag=None))


@mutant
def no_etag_of_writes() -> None:
    """Only a GET has an ETag."""
    answer(lambda outcome, reply: headers(reply, ETag=None) if isinstance(outcome, Created) else reply)


@mutant
def etag_is_strong() -> None:
    """ETags are not marked as weak in the header."""
    answer(lambda _, reply: headers(reply, ETag=reply.headers["ETag"].removeprefix("W/")) if "ETag" in reply.headers else reply)


@mutant
def etag_is_malformed() -> None:
    """ETags have no quotation marks."""
    answer(lambda _, reply: headers(reply, ETag=reply.headers["ETag"].replace('"', "")) if "ETag" in reply.headers else reply)


@mutant
def etag_is_constant() -> None:
    """Every resource has the same version for ever."""
    replace(Renderer, "etag", lambda _: lambda self, stored, view: 'W/"1"')


@mutant
def etag_changes_with_every_read() -> None:
    """The version is another one each time it is read."""
    import secrets

    replace(Renderer, "etag", lambda original: lambda self, stored, view: original(self, stored, view)[:-1] + f'-{secrets.token_hex(4)}"')


@mutant
def etag_ignores_groups() -> None:
    """A user's version does not show that the groups changed."""
    replace(Renderer, "etag", lambda _: lambda self, stored, view: f'W/"{stored.version}"')


@mutant
def if_none_match_is_ignored() -> None:
    """If-None-Match changes nothing."""
    everywhere(request.if_none_match, lambda header: ())


@mutant
def if_none_match_is_always_304() -> None:
    """Any If-None-Match is answered with 304."""
    everywhere(request.if_none_match, lambda header: () if header is None else ("*",))


@mutant
def if_none_match_takes_one_tag() -> None:
    """Of a list in If-None-Match only the first tag counts."""
    original = request.if_none_match
    everywhere(original, lambda header: original(header)[:1])


@mutant
def if_none_match_with_body() -> None:
    """A 304 has no ETag."""
    answer(lambda _, reply: headers(reply, ETag=None) if reply.status == 304 else reply)


@mutant
def if_none_match_knows_no_star() -> None:
    """`*` in If-None-Match matches nothing."""
    original = request.if_none_match
    everywhere(original, lambda header: tuple(tag for tag in original(header) if tag != "*"))


@mutant
def media_type_is_json() -> None:
    """Every answer is application/json."""
    import scimsrv.app as app

    original = app.answer_type

    def json_always(accept: Any) -> str:
        original(accept)
        return "application/json"

    app.answer_type = json_always
    app._SCIM_JSON = "application/json"  # type: ignore[misc]


@mutant
def media_type_is_text() -> None:
    """Every answer is text/html."""
    import scimsrv.app as app

    app.answer_type = lambda accept: "text/html"
    app._SCIM_JSON = "text/html"  # type: ignore[misc]


@mutant
def errors_are_plain_json() -> None:
    """Errors are answered as application/json."""
    original = http_module.send_reply

    async def send(scope: Any, send_: Any, reply: Reply, *, media_type: str, **more: Any) -> None:
        await original(scope, send_, reply, media_type="application/json" if reply.status >= 400 else media_type, **more)

    everywhere(original, send)


@mutant
def accept_is_ignored() -> None:
    """Whatever Accept says, the answer is SCIM JSON."""
    everywhere(request.answer_type, lambda accept: "application/scim+json")


@mutant
def accept_json_is_refused() -> None:
    """application/json is not acceptable."""
    from scimsrv.errors import Kind, ScimError

    original = request.answer_type

    def strict(accept: Any) -> str:
        if accept is not None and "application/json" in accept and "scim" not in accept:
            raise ScimError(Kind.NOT_ACCEPTABLE)
        return original(accept)

    everywhere(original, strict)


@mutant
def accept_must_be_given() -> None:
    """A request without Accept, or with */*, is not acceptable."""
    from scimsrv.errors import Kind, ScimError

    original = request.answer_type

    def strict(accept: Any) -> str:
        if accept is None or "*/*" in accept:
            raise ScimError(Kind.NOT_ACCEPTABLE)
        return original(accept)

    everywhere(original, strict)


@mutant
def head_has_no_etag() -> None:
    """HEAD lacks headers that GET has."""
    original = http_module.send_reply

    async def send(scope: Any, send_: Any, reply: Reply, **more: Any) -> None:
        if scope["method"] == "HEAD":
            reply = dataclasses.replace(reply, headers={})
        await original(scope, send_, reply, **more)

    everywhere(original, send)


@mutant
def head_is_not_allowed() -> None:
    """HEAD is answered with 405."""
    for endpoint, methods in route.METHODS.items():
        route.METHODS[endpoint] = tuple(method for method in methods if method != "HEAD")


@mutant
def answers_can_be_cached() -> None:
    """Answers allow caches to keep them."""
    original = http_module.send_reply

    async def send(scope: Any, send_: Any, reply: Reply, **more: Any) -> None:
        async def relaxed(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, b"public, max-age=60" if name == b"cache-control" else value) for name, value in message["headers"]
                ]
            await send_(message)

        await original(scope, relaxed, reply, **more)

    everywhere(original, send)


@mutant
def lists_show_ids_only() -> None:
    """Lists show schemas, id and meta only."""
    listed(
        lambda message: message
        | {"Resources": [{name: item[name] for name in ("schemas", "id", "meta") if name in item} for item in message["Resources"]]}
    )


@mutant
def one_result_is_no_list() -> None:
    """A query with one result answers with the resource itself."""
    answer(
        lambda outcome, reply: changed(reply, body=orjson.dumps(orjson.loads(reply.body)["Resources"][0]))
        if isinstance(outcome, Page) and len(outcome.rows) == 1 and isinstance(reply.body, bytes)
        else reply
    )



