"""The connection tests of Entra ID and Okta, request by request, and what else they need of a server before a first cycle succeeds."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scimsrv.probe.exchange import Answer, Prober, Silence
from scimsrv.probe.judging import Expected, Problem, judge, listed

ENTRA: Final = "Entra ID"
OKTA: Final = "Okta"
BOTH: Final = "both"

_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
_GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
_PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

#: What a tenant URL often lacks at its end.
_PATHS: Final = ("/scim/v2", "/v2", "/scim")


@dataclass(frozen=True, slots=True)
class Step:
    """What was tried for whom, and what is wrong; `seconds` is how long the answer took."""

    who: str
    what: str
    problem: Problem | None
    seconds: float = 0.0


def play(prober: Prober, *, writes: bool = False) -> Iterator[Step]:
    """Play the tests, each as soon as the one before is judged. Where the first gets no answer of a SCIM server nothing is learned from the
    others. `writes` creates a user and a group, changes them in the ways of both, and deletes them."""
    nobody = str(uuid.uuid4())
    first = prober.ask("GET", "/Users", {"filter": f'userName eq "{nobody}"'})
    problem = judge(Expected.EMPTY, first)
    if problem is not None and problem.name in ("not-found", "not-empty-list", "page", "page-missing", "method"):
        problem = _elsewhere(prober, nobody, problem)
    yield Step(BOTH, "Test Connection: a user who does not exist", problem, _seconds(first))
    if problem is not None and (isinstance(first, Silence) or first.status != 200):
        return
    yield from _reading(prober, nobody)
    if writes:
        yield from _writing(prober, nobody)


def _reading(prober: Prober, nobody: str) -> Iterator[Step]:
    yield _step(prober, BOTH, "a token that was made up", Expected.REFUSED, "/Users", {"count": 1}, token=f"made-up-{nobody}")
    yield _step(prober, ENTRA, "a user by externalId", Expected.EMPTY, "/Users", {"filter": f'externalId eq "{nobody}"'})
    yield _step(prober, ENTRA, "a user by an id that does not exist", Expected.MISSING, f"/Users/{nobody}")
    groups = {"excludedAttributes": "members", "filter": f'displayName eq "{nobody}"'}
    yield _step(prober, ENTRA, "a group that does not exist", Expected.EMPTY, "/Groups", groups)
    yield _step(prober, OKTA, "Test connector: the first users", Expected.LIST, "/Users", {"startIndex": 1, "count": 2}, most=2)
    paged = {"filter": f'userName eq "{nobody}"', "startIndex": 1, "count": 100}
    yield _step(prober, OKTA, "whether a user exists", Expected.EMPTY, "/Users", paged)
    yield _step(prober, OKTA, "Test connector: groups", Expected.LIST, "/Groups", {"startIndex": 1, "count": 100}, most=100)
    if "_" in prober.parts.path or "_" in (prober.parts.hostname or ""):
        wrong = Problem("underscore", "the URL has an underscore", "use a URL without: Okta does not take one")
        yield Step(OKTA, "the form of the URL", wrong)


def _step(
    prober: Prober,
    who: str,
    what: str,
    expected: Expected,
    path: str,
    query: Mapping[str, object] | None = None,
    *,
    token: str | None = None,
    most: int | None = None,
) -> Step:
    answer = prober.ask("GET", path, query, token=token)
    problem = judge(expected, answer)
    if problem is None and most is not None and isinstance(answer, Answer) and len(listed(answer, "Resources")) > most:
        problem = Problem("count", f"there are more than the {most} resources that were asked for", "honour count (RFC 7644 §3.4.2.4)")
    if problem is not None and path == "/Groups" and problem.name in ("not-found", "not-empty-list", "page-missing", "method"):
        problem = problem._replace(
            fix="serve /Groups, with an empty list if there are none: both ask for it, also where only users are provisioned"
        )
    return Step(who, what, problem, _seconds(answer))


def _elsewhere(prober: Prober, nobody: str, problem: Problem) -> Problem:
    """A better word for a URL that is not the tenant's: a path below or above it that is."""
    path = prober.parts.path.rstrip("/")
    above = path.rpartition("/")[0] if path.rpartition("/")[2].lower() in ("users", "groups", "schemas", "serviceproviderconfig") else None
    for base in (*([] if above is None else [above]), *(path + end for end in _PATHS)):
        answer = prober.ask("GET", "/Users", {"filter": f'userName eq "{nobody}"'}, base=base)
        if isinstance(answer, Answer) and answer.status in (200, 401, 403) and not answer.is_page and isinstance(answer.body, dict):
            url = prober.parts._replace(path=base).geturl()
            return Problem("base-url", f"{problem.found}; there is a SCIM server at {url}", f"enter {url} as the tenant URL")
    return problem


def _writing(prober: Prober, name: str) -> Iterator[Step]:
    made: list[str] = []
    left: list[str] = []
    user = {"schemas": [_USER], "userName": f"probe-{name}@example.com", "active": True, "name": {"givenName": "Probe", "familyName": name}}
    try:
        yield from _changes(prober, user, made, name)
    finally:
        left = [path for path in reversed(made) if judge(Expected.DONE, prober.ask("DELETE", path)) is not None]
    yield Step(BOTH, "deleting what was made", Problem("left", f"{left[0]} could not be deleted", "delete it by hand") if left else None)


def _changes(prober: Prober, user: dict[str, Any], made: list[str], name: str) -> Iterator[Step]:
    step, id_ = _created(prober, "/Users", user, "creating a user")
    yield step
    if id_ is None:
        return
    path = f"/Users/{id_}"
    made.append(path)
    yield _patched(prober, ENTRA, "disabling a user", path, {"op": "Replace", "path": "active", "value": "False"})
    yield _patched(prober, OKTA, "enabling a user", path, {"op": "replace", "value": {"active": True}})
    step, group = _created(prober, "/Groups", {"schemas": [_GROUP], "displayName": f"probe {name}"}, "creating a group")
    yield step
    if group is None:
        return
    path = f"/Groups/{group}"
    made.append(path)
    member = [{"value": id_}]
    for who, what, operation in (
        (ENTRA, "adding a member", {"op": "Add", "path": "members", "value": member}),
        (ENTRA, "removing a member", {"op": "Remove", "path": "members", "value": member}),
        (OKTA, "adding a member", {"op": "add", "path": "members", "value": member}),
        (OKTA, "removing a member", {"op": "remove", "path": f'members[value eq "{id_}"]'}),
    ):
        yield _patched(prober, who, what, path, operation, None if "removing" in what else id_)


def _created(prober: Prober, path: str, body: dict[str, Any], what: str) -> tuple[Step, str | None]:
    answer = prober.ask("POST", path, body=body)
    problem = judge(Expected.ONE, answer)
    id_ = answer.body["id"] if problem is None and isinstance(answer, Answer) else None
    return Step(BOTH, what, problem, _seconds(answer)), id_


#: Told from None, which stands for a group without members.
_ANY: Final = ""


def _patched(prober: Prober, who: str, what: str, path: str, operation: dict[str, Any], member: str | None = _ANY) -> Step:
    """PATCH, and for a group whether its only member is then the one that it ought to be."""
    answer = prober.ask("PATCH", path, body={"schemas": [_PATCH], "Operations": [operation]})
    problem = judge(Expected.DONE, answer)
    if problem is None and member != _ANY:
        shown = prober.ask("GET", path)
        problem = judge(Expected.ONE, shown)
        found = listed(shown, "members") if problem is None and isinstance(shown, Answer) else []
        members = [one.get("value") if isinstance(one, dict) else one for one in found]
        if problem is None and members != ([] if member is None else [member]):
            fix = "apply the operation to the members that it names (RFC 7644 §3.5.2)"
            problem = Problem("unchanged", f"the PATCH succeeded, and the group has {len(members)} members", fix)
    return Step(who, what, problem, _seconds(answer))


def _seconds(answer: Answer | Silence) -> float:
    return answer.seconds if isinstance(answer, Answer) else 0.0
