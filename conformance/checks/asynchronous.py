"""Asynchronous requests (RFC 9967 §2.5.1): what a client gets at once, and what it can look up afterwards."""

from __future__ import annotations

import time

import httpx

from conformance.bulk import BULK_REQUEST, new_group, new_user, operation
from conformance.client import ERROR, Json, Scim, ensure, equal, expect, expect_error
from conformance.registry import Skip, requirement

PREFER = {"Prefer": "respond-async"}


def _accepted(scim: Scim, method: str, path: str, body: Json = None, **headers: str) -> httpx.Response:
    """The 202 to an asynchronous request; skips where the server answers normally, which it may."""
    answer = scim.request(method, path, body, headers=PREFER | headers)
    if answer.status_code != 202:
        expect(answer, 200, 201, 204)
        raise Skip("the server does not carry out requests asynchronously")
    return answer


def _results(scim: Scim, answer: httpx.Response) -> list[Json]:
    """The results at the Location of a 202, once all are there. What was created is deleted when the check ends."""
    deadline = time.monotonic() + 20
    while True:
        status = scim.read(answer.headers["Location"])
        if "Operations" not in status:
            raise Skip("the Location of a 202 leads to the resource itself")
        if len(status["Operations"]) >= status.get("totalOperations", 1):
            break
        ensure(time.monotonic() < deadline, f"an asynchronous request has not been carried out after 20 seconds: {status}")
        time.sleep(0.05)
    for result in status["Operations"]:
        if result["method"] == "POST" and result.get("location"):
            scim.created(result["location"])
    found: list[Json] = status["Operations"]
    return found


@requirement("9967-2.5.1.1-01", "9967-2.5.1.1-04", "9967-2.5.1.1-06", "9967-3-01")
def async_is_accepted(scim: Scim) -> None:
    """A write with respond-async is answered normally, or with 202 without a body that says so and has a Set-Txn."""
    user = scim.user()
    path = f"/Users/{user['id']}"
    for method, body in (("PUT", scim.user_body(userName=user["userName"])), ("DELETE", None)):
        answer = _accepted(scim, method, path, body)
        equal(answer.content, b"", "body of the 202")
        equal(answer.headers.get("Content-Length"), "0", "Content-Length of the 202")
        ensure("respond-async" in answer.headers.get("Preference-Applied", ""), "the 202 has no Preference-Applied: respond-async")
        ensure(answer.headers.get("Set-Txn"), "the 202 has no Set-Txn")
        equal([result["status"] for result in _results(scim, answer)], ["200" if method == "PUT" else "204"], f"statuses of {method}")
    expect_error(scim.get(path), 404)


@requirement("9967-2.5.1.1-02")
def async_ignores_accept(scim: Scim) -> None:
    """Accept does not keep an asynchronous request from being taken."""
    user = scim.user()
    answer = _accepted(scim, "PUT", f"/Users/{user['id']}", scim.user_body(userName=user["userName"], title="x"), Accept="text/plain")
    _results(scim, answer)
    equal(scim.read(f"/Users/{user['id']}").get("title"), "x", "title after the asynchronous PUT")


@requirement("9967-2.5.1.1-03")
def async_waits(scim: Scim) -> None:
    """With wait=n, a request that is done within n seconds gets its normal answer."""
    user = scim.user()
    wait = {"Prefer": "respond-async, wait=20"}
    body = scim.user_body(userName=user["userName"], title="x")
    answer = expect(scim.put(f"/Users/{user['id']}", body, headers=wait), 200)
    equal(answer.json().get("title"), "x", "title in the answer to a PUT that was waited for")
    expect_error(scim.post("/Users", body, headers=wait), 409, "uniqueness")


@requirement("9967-2.5.1.1-05", "9967-2.5.1.1-07")
def async_can_be_looked_up(scim: Scim) -> None:
    """The Location of the 202 can be read, and names the transaction that Set-Txn does."""
    answer = _accepted(scim, "POST", "/Users", scim.user_body())
    ensure(answer.headers.get("Location"), "the 202 has no Location")
    results = _results(scim, answer)
    txn = answer.headers["Set-Txn"]
    equal([result["txn"] for result in results], [txn], "txn of the result")
    equal(scim.read(answer.headers["Location"])["txn"], txn, "txn at the Location")


@requirement("9967-2.5.1.2-01", "9967-2.5.1.2-02", "9967-2.5.1.2-03", "9967-2.5.1.2-04")
def async_bulk(scim: Scim) -> None:
    """Each operation of an asynchronous bulk request has a result, whose txn ends with its place in the request, counted from 0."""
    scim.feature("bulk")
    operations = [new_group("g", "bulkId:u"), operation("DELETE", "/Users/none"), new_user(scim, "u")]
    answer = _accepted(scim, "POST", "/Bulk", {"schemas": [BULK_REQUEST], "Operations": operations})
    results = _results(scim, answer)
    equal([result["txn"] for result in results], [f"{answer.headers['Set-Txn']}:{number}" for number in range(3)], "txn of the results")
    equal([result.get("bulkId") for result in results], ["g", None, "u"], "bulkIds of the results")
    equal([result["status"] for result in results], ["201", "404", "201"], "statuses of the results")


@requirement("9967-2.5.1.3-01", "9967-2.5.1.3-02")
def async_results(scim: Scim) -> None:
    """A result is an operation of a bulk response: method, status, version and location, and the Error where it failed."""
    user = scim.user()
    path = f"/Users/{user['id']}"
    (good,) = _results(scim, _accepted(scim, "PUT", path, scim.user_body(userName=user["userName"], title="x")))
    wanted = {
        "method": "PUT",
        "status": "200",
        "location": user["meta"]["location"],
        "version": expect(scim.get(path), 200).headers["ETag"],
    }
    equal({name: good.get(name) for name in wanted}, wanted, "the result of a PUT")
    ensure("response" not in good or "Error" not in str(good["response"].get("schemas")), "a success has an Error")
    (bad,) = _results(scim, _accepted(scim, "POST", "/Users", scim.user_body(userName=user["userName"])))
    equal((bad["status"], bad["response"]["schemas"], bad["response"]["status"]), ("409", [ERROR], "409"), "the result of a failure")
    ensure(bad["response"].get("detail"), "the Error of a failure has no detail")


@requirement("9967-5-02")
def async_results_are_protected(scim: Scim) -> None:
    """The result of an asynchronous request is not shown without credentials, nor with wrong ones."""
    answer = _accepted(scim, "POST", "/Users", scim.user_body())
    _results(scim, answer)
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}):
        expect_error(scim.get(answer.headers["Location"], headers=headers), 401)
