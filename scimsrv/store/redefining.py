"""A change of definitions that was kept to be carried out later: taken once, in one transaction with its result."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import quote

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol.bulk import Entry, Result
from scimsrv.protocol.plan import Define
from scimsrv.schema.redefinition import Subject
from scimsrv.store.asynchronous import LostError
from scimsrv.store.bulk import STATUS, Authorise
from scimsrv.store.connection import Connection
from scimsrv.store.definitions import Defined, define
from scimsrv.store.joined import Joined, Repeated, one_transaction
from scimsrv.store.recorded import Recorder
from scimsrv.store.scope import Scope

log: Final = logging.getLogger("scimsrv.jobs")

#: What a request comes to by the definitions that hold. Raises ScimError.
Planned = Callable[[Scope], Define]


async def define_recorded(scope: Scope, entry: Entry, planned: Planned, authorise: Authorise, recorder: Recorder) -> None:
    """Carry out the change that the entry asks for, and keep what came of it: with the change where there is one, and where the request
    is still this worker's. What passes by itself is waited for."""

    async def unit(scope: Scope, is_last: bool) -> None:
        try:
            await authorise()
            plan = planned(scope)
            done = await define(
                *(scope.pool, scope.tenant, scope.actor, plan.subject, plan.name, plan.edit),
                if_match=plan.if_match,
                limits=scope.limits,
                noted=partial(_note, scope, entry, recorder),
            )
        except ScimError as error:
            if error.kind is Kind.UNAVAILABLE and not is_last:
                raise
            result = _failed(scope, entry, error)
        except LostError:
            raise
        except Exception:
            log.exception("a change of definitions that was kept failed")
            result = _failed(scope, entry, ScimError(Kind.INTERNAL))
        else:
            result = _result(scope, entry, done)
            if done.taken:
                recorder.committed([result])
                return
        async with one_transaction(scope) as joined:
            await _keep(joined, recorder, result)
        recorder.committed([result])

    await Repeated(scope).run(unit)


def _failed(scope: Scope, entry: Entry, error: ScimError) -> Result:
    return Result(entry, error.kind.value.status, _location(scope, entry), None, error)


def _location(scope: Scope, entry: Entry) -> str | None:
    """The URL of the definition that was to be changed (RFC 7644 §3.7.3)."""
    return None if entry.method == "POST" else scope.base_url + entry.path.replace("%3A", ":")


async def _note(scope: Scope, entry: Entry, recorder: Recorder, connection: Connection, done: Defined) -> None:
    await _keep(replace(scope, pool=Joined(connection)), recorder, _result(scope, entry, done))


async def _keep(scope: Scope, recorder: Recorder, result: Result) -> None:
    await recorder.hold(scope)
    await recorder.record(scope, [result], last=True)


def _result(scope: Scope, entry: Entry, done: Defined) -> Result:
    name = done.redefinition.name
    path = f"Schemas/{name}" if done.redefinition.subject is Subject.SCHEMA else f"ResourceTypes/{quote(name)}"
    if done.definition is None:
        return Result(entry, STATUS[entry.method], f"{scope.base_url}/{path}", None)
    return Result(entry, 202 if done.rekeyings else STATUS[entry.method], f"{scope.base_url}/{path}", done.version)
