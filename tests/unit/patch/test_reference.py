"""Sequences of operations on the usual attributes do what a naive, table-less implementation does, or fail where it fails."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scimsrv.errors import ScimError
from tests.schemas import ENTERPRISE, user_schema
from tests.unit.patch.support import op, run, user

NAME_PARTS = ["givenName", "familyName"]
MAIL_PARTS = ["value", "type", "display"]
TEXTS = st.sampled_from(["a", "b", "c"])
MAIL: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"value": TEXTS, "type": TEXTS, "display": TEXTS, "primary": st.booleans()}
).filter(bool)
MAILS = st.lists(MAIL, max_size=3)
SETTERS = st.sampled_from(["add", "replace"])
ACTIONS = st.sampled_from(["add", "replace", "remove"])


class RefusedError(Exception):
    """The reference implementation refuses; the word is the scimType."""


def naive(state: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """The user's attributes after the operations, by hand: `title`, `name`, `emails` and the extension's `department`."""
    user_ = deepcopy(state)
    for operation in deepcopy(operations):
        path = operation.get("path")
        if path is None:
            for key, value in operation["value"].items():
                step(user_, operation["op"], key, value)
        else:
            step(user_, operation["op"], path, operation.get("value"))
        for key in [key for key, value in user_.items() if value in ({}, [], None)]:
            del user_[key]
    return user_


def step(user_: dict[str, Any], action: str, path: str, value: Any) -> None:
    if path == "title":
        user_["title"] = None if action == "remove" else value
    elif path.startswith("name."):
        name = user_.setdefault("name", {})
        name.pop(path[5:], None)
        if action != "remove" and value is not None:
            name[path[5:]] = value
    elif path == "name":
        if action == "remove":
            user_["name"] = {}
        for part, text in (value or {}).items():
            step(user_, "remove" if text is None else action, f"name.{part}", text)
    elif path.endswith(":department"):
        holder = user_.setdefault(ENTERPRISE, {})
        holder.pop("department", None)
        if action != "remove" and value is not None:
            holder["department"] = value
    elif path == "emails":
        whole_emails(user_, action, value)
    else:
        selector, _, part = path[len("emails[") :].partition("]")
        some_emails(user_, action, selector, part.lstrip("."), value)


def meaning(mail: dict[str, Any]) -> dict[str, Any]:
    return {part: text for part, text in mail.items() if part != "primary"}


def whole_emails(user_: dict[str, Any], action: str, value: Any) -> None:
    emails = user_.setdefault("emails", [])
    if action == "remove":
        user_["emails"] = [] if value is None else [mail for mail in emails if not any(covers(mail, one) for one in value)]
        return
    given: list[dict[str, Any]] = []
    for mail in value:
        if mail not in given:
            given.append(mail)
    primaries = [mail for mail in given if mail.get("primary")]
    if action == "replace":
        if len(primaries) > 1:
            raise RefusedError("invalidValue")
        user_["emails"] = given
        return
    if len({tuple(sorted(meaning(mail).items())) for mail in primaries}) > 1:
        raise RefusedError("invalidValue")
    for mail in given:
        twins = [old for old in emails if meaning(old) == meaning(mail)]
        if not twins:
            emails.append(dict(mail))
        elif "primary" in mail and mail["primary"] != twins[0].get("primary", False):
            twins[0]["primary"] = mail["primary"]
    if primaries:
        for mail in emails:
            if mail.get("primary") and meaning(mail) != meaning(primaries[0]):
                mail["primary"] = False


def covers(mail: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if "primary" in wanted and wanted["primary"] != mail.get("primary", False):
        return False
    return all(mail.get(part) == text for part, text in meaning(wanted).items())


def some_emails(user_: dict[str, Any], action: str, selector: str, part: str, value: Any) -> None:
    by, _, literal = selector.split(" ")
    literal = literal.strip('"')
    emails = user_.setdefault("emails", [])
    matches = [mail for mail in emails if mail.get(by) == literal]
    if action == "remove":
        for mail in matches:
            if part:
                mail.pop(part, None)
            else:
                mail.clear()
        user_["emails"] = distinct([mail for mail in emails if mail])
        return
    if not matches and action == "replace":
        raise RefusedError("noTarget")
    change = {part: value} if part else value
    if not matches and not change:
        return
    if not matches:
        whole_emails(user_, "add", [{by: literal} | change])
        return
    if change.get("primary") and len(matches) > 1:
        raise RefusedError("invalidValue")
    for mail in matches:
        if action == "replace" and not part:
            kept = {by: mail[by]}
            mail.clear()
            mail.update(kept)
        mail.update(change)
    if change.get("primary"):
        for mail in emails:
            if mail is not matches[0] and mail.get("primary"):
                mail["primary"] = False
    user_["emails"] = distinct(emails)


def distinct(emails: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for mail in emails:
        if mail not in found:
            found.append(mail)
    return found


def selected(by: str, text: str, part: str | None = None) -> str:
    return f'emails[{by} eq "{text}"]' + (f".{part}" if part else "")


DEPARTMENT = f"{ENTERPRISE}:department"
SIMPLE = st.sampled_from(["title", "name.givenName", "name.familyName", DEPARTMENT])
NAME = st.fixed_dictionaries({}, optional={part: st.one_of(st.none(), TEXTS) for part in NAME_PARTS})
SELECTED = st.builds(selected, st.sampled_from(["value", "type"]), TEXTS)
SELECTED_PART = st.builds(selected, st.sampled_from(["value", "type"]), TEXTS, st.sampled_from(MAIL_PARTS))
SELECTED_PRIMARY = st.builds(selected, st.sampled_from(["value", "type"]), TEXTS, st.just("primary"))
OPERATION = st.one_of(
    st.builds(lambda action, path, value: op(action, path, value=value), SETTERS, SIMPLE, st.one_of(st.none(), TEXTS)),
    st.builds(lambda action, value: op(action, "name", value=value), SETTERS, NAME),
    st.builds(lambda action, value: op(action, "emails", value=value), ACTIONS, MAILS),
    st.builds(lambda action, path, value: op(action, path, value=value), SETTERS, SELECTED, MAIL),
    st.builds(lambda action, path, value: op(action, path, value=value), SETTERS, SELECTED_PART, TEXTS),
    st.builds(lambda action, path, value: op(action, path, value=value), SETTERS, SELECTED_PRIMARY, st.booleans()),
    st.builds(
        lambda path: op("remove", path), st.one_of(SIMPLE, SELECTED, SELECTED_PART, SELECTED_PRIMARY, st.sampled_from(["name", "emails"]))
    ),
    st.builds(
        lambda action, value: op(action, value=value),
        SETTERS,
        st.dictionaries(st.one_of(SIMPLE, SELECTED_PART), TEXTS, max_size=3),
    ),
)


def one_primary(mails: list[dict[str, Any]]) -> bool:
    return sum(mail.get("primary") is True for mail in mails) <= 1


def start() -> st.SearchStrategy[dict[str, Any]]:
    """Users as they are stored: no value twice, one primary at most."""
    emails = st.lists(MAIL, min_size=1, max_size=3, unique_by=lambda mail: tuple(sorted(meaning(mail).items())))
    return st.fixed_dictionaries({}, optional={"title": TEXTS, "emails": emails.filter(one_primary)})


@settings(max_examples=400, deadline=None)
@given(start(), st.lists(OPERATION, max_size=6))
def test_the_engine_equals_the_naive_implementation(before: dict[str, Any], operations: list[dict[str, Any]]) -> None:
    try:
        wanted: Any = naive(before, operations)
    except RefusedError as refusal:
        wanted = str(refusal)
    try:
        document = run(user_schema(), user(**before), *operations).document
        found: Any = {name: value for name, value in document.items() if name not in ("schemas", "id", "userName")}
        assert one_primary(document.get("emails", []))
    except ScimError as problem:
        found = problem.kind.value.scim_type
    assert found == wanted
