"""What is wrong with an answer, in the words of whoever has to mend it: tables of rules, of which the first that is broken counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from scimsrv.probe.exchange import Answer, Silence

LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"


class Problem(NamedTuple):
    """What is wrong: its name, a sentence, and how to mend it."""

    name: str
    found: str
    fix: str


class Expected(Enum):
    """What an identity provider expects."""

    EMPTY = "a list without resources"
    LIST = "a list"
    ONE = "a resource"
    DONE = "a success"
    MISSING = "404"
    REFUSED = "401"


class _Rule(NamedTuple):
    name: str
    broken: Callable[[Answer], bool]
    #: May have {status}, {kind}, {location}, {detail} and {challenge}.
    found: str
    fix: str


_URL: Final = "enter the tenant URL up to the part before /Users, such as https://scim.example.com/scim/acme/v2"

#: Why there was no answer.
SILENCES: Final[Mapping[str, tuple[str, str]]] = {
    "host-unknown": ("the host name of the URL is not known", "correct the URL, or add the name to the public DNS"),
    "refused": ("nothing listens at the host and port of the URL", "start the server, or correct host and port"),
    "unreachable": ("the host of the URL cannot be reached ({said})", "open the way to it: identity providers come from the internet"),
    "no-answer": ("there was no answer within 30 seconds", "look at firewalls and at the server's log; Okta gives up after 60 seconds"),
    "cut": ("the connection was closed without an answer", "look at the proxy before the server; it may want https, or another host name"),
    "no-http": ("what answered does not speak HTTP", "correct scheme and port of the URL"),
    "certificate-expired": ("the certificate has expired, or is not valid yet", "renew the certificate"),
    "certificate-name": (
        "the certificate is for another host name ({said})",
        "use the host name of the certificate, or have it issued for this one",
    ),
    "certificate-untrusted": (
        "the certificate is not trusted ({said})",
        "use a certificate of a public authority, and send the intermediate certificates with it",
    ),
    "tls-not-spoken": ("the port speaks plain HTTP, not TLS", "use the port of TLS; identity providers demand https"),
    "tls-refused": ("TLS 1.2 or newer could not be agreed upon ({said})", "let the server, or the proxy before it, speak TLS 1.2 and 1.3"),
}


def _is_object(answer: Answer) -> bool:
    return isinstance(answer.body, dict)


def _has(answer: Answer, name: str) -> Any:
    return answer.body.get(name) if isinstance(answer.body, dict) else None


def listed(answer: Answer, name: str) -> list[Any]:
    """The values of a list in the answer; nothing where there is none, or something else."""
    value = _has(answer, name)
    return value if isinstance(value, list) else []


def _number(name: str) -> Callable[[Answer], bool]:
    return lambda answer: not isinstance(_has(answer, name), int) or isinstance(_has(answer, name), bool)


def _is_scim_error(answer: Answer) -> bool:
    return ERROR in listed(answer, "schemas")


#: What any answer may be instead of what was asked for.
_REFUSALS: Final = (
    _Rule(
        *("redirect", lambda answer: 300 <= answer.status < 400, "the server redirects to {location} ({status})"),
        "enter the URL that it redirects to: identity providers do not follow with their token",
    ),
    _Rule(
        *(
            "basic",
            lambda answer: answer.status == 401 and answer.challenge.lower() == "basic",
            "401: the server wants a user and a password",
        ),
        "let it take bearer tokens: Entra ID has nothing else, and look whether the URL leads to the SCIM server at all",
    ),
    _Rule(
        *("unauthorized", lambda answer: answer.status == 401, "401: the token was not accepted. {detail}"),
        "paste the token whole, without spaces and line breaks; see whether it has expired, and belongs to the tenant of the URL",
    ),
    _Rule(
        *("forbidden", lambda answer: answer.status == 403, "403: the token may not do this. {detail}"),
        "give it the rights to read and write users and groups; see whether the tenant is suspended, or a firewall refuses",
    ),
    _Rule(
        *("page", lambda answer: answer.is_page and answer.status < 400, "a web page was answered, not SCIM"),
        "the URL leads to a site or a login page: " + _URL,
    ),
    _Rule("page-missing", lambda answer: answer.is_page, "{status} with a web page: this is no SCIM endpoint", _URL),
    _Rule(
        "throttled", lambda answer: answer.status == 429, "429: too many requests", "raise the limit; Entra ID asks up to 25 times a second"
    ),
    _Rule(
        *("method", lambda answer: answer.status in (405, 501), "{status}: the server does not do this"),
        "let it serve this request, or see whether the URL leads to a SCIM server",
    ),
    _Rule(
        "failed", lambda answer: answer.status >= 500, "{status}: the server failed. {detail}", "look at the server's log, and try again"
    ),
)

#: A list, as both read it.
_LISTS: Final = (
    _Rule(
        "filter",
        lambda answer: answer.status == 400,
        "400: the filter was refused. {detail}",
        "let the server filter by this attribute with eq",
    ),
    _Rule(
        *("not-empty-list", lambda answer: answer.status == 404 and _is_scim_error(answer), "404 where nothing was found. {detail}"),
        "see whether the URL is the tenant's, and the token that tenant's; if so, answer 200 with totalResults 0: identity providers take "
        "a 404 for a server that is not there",
    ),
    _Rule("not-found", lambda answer: answer.status == 404, "404: there is no such path on this server", _URL),
    _Rule("status", lambda answer: answer.status != 200, "{status} instead of 200. {detail}", "answer a list with 200"),
    _Rule("no-json", lambda answer: answer.body is None, "the answer ({kind}) is no JSON", "answer JSON, as application/scim+json"),
    _Rule(
        *("content-type", lambda answer: answer.kind not in ("application/scim+json", "application/json"), "the content type is {kind}"),
        "answer application/scim+json",
    ),
    _Rule("no-list", lambda answer: not _is_object(answer), "the answer is JSON, but no object", "answer a ListResponse (RFC 7644 §3.4.2)"),
    _Rule(
        *("no-total", lambda answer: "totalResults" not in answer.body, "totalResults is missing"),
        "answer a ListResponse with totalResults, also when it is 0 (RFC 7644 §3.4.2); names are spelled exactly so",
    ),
    _Rule("total", _number("totalResults"), "totalResults is no number", "write it as a JSON number, without quotes"),
    _Rule(
        *("no-schemas", lambda answer: LIST not in listed(answer, "schemas"), "schemas does not name ListResponse"),
        f"add {LIST} to schemas",
    ),
    _Rule(
        *("resources", lambda answer: bool(_has(answer, "totalResults")) and not isinstance(_has(answer, "Resources"), list)),
        *("totalResults is {total}, but there are no Resources", "list the resources in Resources, spelled with a capital R"),
    ),
)

_NO_ONE: Final = _Rule(
    *("filter-ignored", lambda answer: _has(answer, "totalResults") != 0 or bool(_has(answer, "Resources"))),
    "a filter that nobody matches found {total} resources: it is ignored",
    "apply the filter; with one that is ignored an identity provider takes the first user for the one that it looks for",
)

#: What Okta reads of a page beside that.
_PAGES: Final = (
    _Rule("start", _number("startIndex"), "startIndex is missing, or no number", "Okta reads startIndex as a number: always answer it"),
    _Rule(
        "items", _number("itemsPerPage"), "itemsPerPage is missing, or no number", "Okta reads itemsPerPage as a number: always answer it"
    ),
    _Rule(
        *("ids", lambda answer: not all(isinstance(one, dict) and one.get("id") for one in listed(answer, "Resources"))),
        *("a resource of the list has no id", "give every resource its id"),
    ),
)

_ONE: Final = (
    _Rule(
        "bad-request", lambda answer: answer.status == 400, "400: the request was refused. {detail}", "take what identity providers send"
    ),
    _Rule("conflict", lambda answer: answer.status == 409, "409: there is one already. {detail}", "delete what an earlier probe left"),
    _Rule("not-found", lambda answer: answer.status == 404, "404: it is not there", "let what was created be found under its id at once"),
    _Rule("status", lambda answer: not 200 <= answer.status < 300, "{status} instead of a success. {detail}", "look at the server's log"),
)

_ID: Final = _Rule(
    *("no-id", lambda answer: not _is_object(answer) or not answer.body.get("id"), "the answer has no id"),
    "answer the whole resource, with its id",
)

_MISSING: Final = (
    _Rule("status", lambda answer: answer.status != 404, "{status} for a resource that does not exist", "answer 404"),
    _Rule(
        "no-error", lambda answer: not _is_scim_error(answer), "the 404 has no SCIM error as its body", f"answer {ERROR} (RFC 7644 §3.12)"
    ),
)

_REFUSED: Final = (
    _Rule(
        *("open", lambda answer: 200 <= answer.status < 300, "a token that was made up was let in"),
        "take only tokens that were issued: at present anybody can read and change everything",
    ),
    _Rule("status", lambda answer: answer.status not in (401, 429), "{status} for a token that was made up", "answer 401"),
)

_RULES: Final[Mapping[Expected, tuple[_Rule, ...]]] = {
    Expected.EMPTY: (*_REFUSALS, *_LISTS, _NO_ONE),
    Expected.LIST: (*_REFUSALS, *_LISTS, *_PAGES),
    Expected.ONE: (*_REFUSALS, *_ONE, _ID),
    Expected.DONE: (*_REFUSALS, *_ONE),
    Expected.MISSING: (*_REFUSALS, *_MISSING),
    Expected.REFUSED: _REFUSED,
}


def judge(expected: Expected, answer: Answer | Silence) -> Problem | None:
    """What is wrong with an answer; None where it is as expected."""
    if isinstance(answer, Silence):
        found, fix = SILENCES[answer.reason]
        return Problem(answer.reason, found.format(said=answer.said or "no more is known"), fix)
    for rule in _RULES[expected]:
        if rule.broken(answer):
            kind = answer.kind or "missing"
            said = rule.found.format(
                status=answer.status,
                kind=kind,
                location=answer.location or "nowhere",
                detail=answer.detail,
                total=_has(answer, "totalResults"),
            )
            return Problem(rule.name, said.strip(), rule.fix)
    return None
