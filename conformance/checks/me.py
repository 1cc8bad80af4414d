"""/Me (RFC 7644 §3.11): the subject's own resource, for whoever has one."""

from __future__ import annotations

from conformance.client import Scim, ensure, equal, expect, expect_error
from conformance.registry import requirement


@requirement("7644-3.11-01", "7644-3.11-05")
def me_of_a_service(scim: Scim) -> None:
    """/Me is 501 where it is not supported and 404 for a client that has no resource, with an Error; it never shows somebody else."""
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = expect(scim.request(method, "/Me", {} if method in ("PUT", "PATCH") else None), 200, 204, 308, 400, 403, 404, 501)
        if answer.status_code in (400, 403, 404, 501):
            expect_error(answer, answer.status_code)
        elif answer.status_code == 200:
            ensure(answer.json().get("id"), f"{method} /Me is 200 without a resource")


@requirement("7644-3.11-02", "7644-3.11-03")
def me_leads_to_the_resource(scim: Scim) -> None:
    """/Me that is processed has the permanent URL as Location, that of meta.location; one that redirects leads there by 308."""
    answer = expect(scim.get("/Me"), 200, 308, 403, 404, 501)
    if answer.status_code in (200, 308):
        location = answer.headers.get("Location", "")
        ensure(not location.rstrip("/").endswith("/Me"), f"the Location of /Me is {location!r}")
        own = scim.read(location)
        equal(own["meta"]["location"], location, "meta.location of the subject's resource")
    else:
        expect_error(answer, answer.status_code)


@requirement("7644-3.11-04")
def me_registration(scim: Scim) -> None:
    """POST /Me creates a resource at a Location of its own, or is refused with an Error and creates nothing."""
    body = scim.user_body()
    answer = expect(scim.post("/Me", body), 201, 403, 404, 405, 409, 501)
    made = scim.find("/Users", f'userName eq "{body["userName"]}"')["totalResults"]
    if answer.status_code == 201:
        ensure(answer.headers.get("Location"), "POST /Me is 201 without a Location")
        equal(made, 1, "users made by POST /Me")
    else:
        expect_error(answer, answer.status_code)
        equal(made, 0, "users made by a refused POST /Me")
