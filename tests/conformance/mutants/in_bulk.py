"""Mistakes in bulk requests: in the message, in the references, in the order, in the results."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.protocol import bulk as protocol
from scimsrv.protocol import route as route_module
from scimsrv.protocol.bulk import Result
from scimsrv.protocol.operations import OperationsReader
from scimsrv.store import bulk as store
from scimsrv.store import create
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import Json, everywhere, replace


def _each_result(edit: Callable[[Result, Json], None]) -> None:
    """Edit every result as the answer shows it."""

    def made(original: Callable[..., Json]) -> Callable[..., Json]:
        def document(self: Result, *args: Any) -> Json:
            shown = original(self, *args)
            edit(self, shown)
            return shown

        return document

    replace(Result, "document", made)


def _without(name: str) -> None:
    _each_result(lambda _, shown: shown.pop(name, None))


def _answered(edit: Callable[[Json], Json]) -> None:
    original = protocol.response
    everywhere(original, lambda *args: orjson.dumps(edit(orjson.loads(original(*args)))))


def _entry(edit: Callable[[Any], Any]) -> None:
    """Edit every operation as it is read."""
    original = protocol.read_entry
    everywhere(original, lambda *args: edit(original(*args)))


@mutant
def bulk_answers_as_error() -> None:
    """The answer to a bulk request has the schema of an Error."""
    _answered(lambda body: body | {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"]})


@mutant
def bulk_takes_any_message() -> None:
    """A bulk request may lack its Operations."""

    original = OperationsReader.finish

    def finish(self: OperationsReader) -> Any:
        message = original(self)
        return dataclasses.replace(message, envelope={"Operations": []} | message.envelope)

    OperationsReader.finish = finish  # type: ignore[method-assign]


@mutant
def bulk_gets_delete() -> None:
    """An operation with an unknown method deletes."""
    original = protocol.read_entry

    def read(index: int, text: bytes, *rest: Any) -> Any:
        found = orjson.loads(text)
        if isinstance(found, dict) and found.get("method") not in protocol.METHODS:
            text = orjson.dumps(found | {"method": "DELETE"})
        return original(index, text, *rest)

    everywhere(original, read)


@mutant
def bulk_names_creations_itself() -> None:
    """A creation without a bulkId gets one."""
    original = protocol.read_entry

    def read(index: int, text: bytes, *rest: Any) -> Any:
        found = orjson.loads(text)
        if isinstance(found, dict) and found.get("method") == "POST":
            text = orjson.dumps({"bulkId": f"{index}"} | found)
        return original(index, text, *rest)

    everywhere(original, read)


@mutant
def bulk_ignores_versions() -> None:
    """The versions of operations are not looked at."""
    _entry(lambda entry: dataclasses.replace(entry, version=None))


@mutant
def bulk_reads_the_end_of_paths() -> None:
    """Of a path only the last two segments count."""
    original = route_module.relative
    everywhere(original, lambda tenant, path: original(tenant, "/" + "/".join(path.split("/")[-2:]) if path.count("/") > 2 else path))


@mutant
def bulk_needs_no_data() -> None:
    """An operation without data succeeds, and does nothing."""

    def edit(result: Result, shown: Json) -> None:
        if result.error is not None and (result.error.detail or "").startswith("data:"):
            shown.pop("response")
            shown["status"] = "200"

    _each_result(edit)


@mutant
def bulk_applies_the_first_patch() -> None:
    """Of the operations of a PATCH in a bulk request only the first is applied."""

    def made(original: Callable[..., Json]) -> Callable[..., Json]:
        def data(entry: Any, limits: Any) -> Json:
            found = original(entry, limits)
            return found | {"Operations": found["Operations"][:1]} if isinstance(found.get("Operations"), list) else found

        return data

    replace(store, "data_of", made)


@mutant
def bulk_hides_locations() -> None:
    """Results have no location."""
    _without("location")


@mutant
def bulk_hides_errors() -> None:
    """Results of failed operations do not say why."""
    _without("response")


@mutant
def bulk_shows_half_a_resource() -> None:
    """Results of successes have a response that is not the resource."""
    _each_result(lambda result, shown: shown.setdefault("response", {"id": "x"}) if result.error is None else None)


@mutant
def bulk_statuses_are_objects() -> None:
    """The status of a result is an object with a code."""
    _each_result(lambda _, shown: shown.update(status={"code": shown["status"]}))


@mutant
def bulk_stops_at_the_first_error() -> None:
    """Nothing is done after the first error."""
    everywhere(protocol.fail_on_errors, lambda _: 1)


@mutant
def bulk_never_stops() -> None:
    """failOnErrors is not looked at."""
    everywhere(protocol.fail_on_errors, lambda _: None)


@mutant
def bulk_echoes() -> None:
    """failOnErrors is part of the answer."""
    _answered(lambda body: body | {"failOnErrors": 1})


@mutant
def bulk_forgets_bulk_ids() -> None:
    """Results have no bulkId."""
    _without("bulkId")


@mutant
def bulk_goes_by_type() -> None:
    """All creations are carried out before anything else."""
    original = protocol.arranged

    def read(*args: Any) -> Any:
        bulk = original(*args)
        return dataclasses.replace(bulk, steps=tuple(sorted(bulk.steps, key=lambda step: isinstance(step, protocol.Single))))

    everywhere(original, read)


@mutant
def bulk_keeps_the_order() -> None:
    """Nothing is carried out earlier than the request has it."""
    original = protocol.components
    everywhere(original, lambda needs: [(index,) for index, _ in enumerate(original(needs))])
    replace(store, "SET", lambda _: 1)


@mutant
def bulk_is_off_and_on() -> None:
    """/Bulk is said to be there, and is 501."""

    def read(_: Any) -> Any:
        raise ScimError(Kind.NOT_IMPLEMENTED)

    everywhere(protocol.fail_on_errors, read)


@mutant
def bulk_doubles_are_invalid() -> None:
    """A value that is taken is an invalid one in bulk requests."""
    original = create._in_use
    everywhere(original, lambda *args: dataclasses.replace(original(*args), kind=Kind.INVALID_VALUE))


@mutant
def bulk_members_are_lost() -> None:
    """Groups that a bulk request creates have no members."""

    async def add(*_args: Any) -> None:
        return None

    replace(create, "_add_links", lambda _: add)


@mutant
def bulk_is_refused_for_a_reference() -> None:
    """A reference to nothing refuses the whole request."""
    original = protocol.arranged

    def read(*args: Any) -> Any:
        bulk = original(*args)
        for entry in bulk.entries:
            if entry.fault is not None and entry.fault.kind is Kind.CONFLICT:
                raise ScimError(Kind.INVALID_VALUE)
        return bulk

    everywhere(original, read)


@mutant
def bulk_extensions_stay_literal() -> None:
    """References in extensions are stored as they are sent."""
    original = protocol.filled

    def filled(data: Json, *rest: Any) -> Json:
        made = original(data, *rest)
        return made | {name: value for name, value in data.items() if name.startswith("urn:")} if isinstance(data, dict) else made

    everywhere(original, filled)


@mutant
def bulk_paths_stay_literal() -> None:
    """References in paths are taken for ids."""
    original = protocol.target
    everywhere(original, lambda route, _: route.id)


@mutant
def bulk_results_come_last_first() -> None:
    """The results are in the opposite order."""
    _answered(lambda body: body | {"Operations": body["Operations"][::-1]})


@mutant
def bulk_results_lack_versions() -> None:
    """Results have no version."""
    _without("version")


@mutant
def bulk_counts_too_late() -> None:
    """A bulk request may have ten operations more than is said."""

    def made(original: Callable[..., None]) -> Callable[..., None]:
        def init(self: OperationsReader, limits: Limits) -> None:
            original(self, dataclasses.replace(limits, bulk_operations=limits.bulk_operations + 10))

        return init

    replace(OperationsReader, "__init__", made)
