"""/Bulk (RFC 7644 §3.7): the message, what each operation needs, and what its result says."""

from __future__ import annotations

from conformance.bulk import (
    BULK_REQUEST,
    BULK_RESPONSE,
    change,
    failure,
    new_group,
    new_user,
    operation,
    resource,
    results,
    send,
    statuses,
)
from conformance.client import CORE_USER, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import Skip, requirement


def _body(scim: Scim, **members: object) -> dict[str, object]:
    return {"schemas": [BULK_REQUEST], "Operations": [new_user(scim, "a")]} | members


@requirement("7644-3.7-01")
def bulk_schemas(scim: Scim) -> None:
    """A bulk request with other schemas is refused and does nothing; the answer to a good one has the schema of BulkResponse."""
    user = new_user(scim, "a")
    for schemas in ([CORE_USER], []):
        expect_error(send(scim, user, schemas=schemas), 400, "invalidSyntax")
    equal(scim.find("/Users", f'userName eq "{user["data"]["userName"]}"')["totalResults"], 0, "users made by a wrong message")
    equal(expect(send(scim, user), 200).json().get("schemas"), [BULK_RESPONSE], "schemas of the answer")


@requirement("7644-3.7-02")
def bulk_needs_operations(scim: Scim) -> None:
    """A bulk request without Operations, or with something that is no array of objects, is refused."""
    scim.feature("bulk")
    wrong: list[dict[str, object]] = [{}, {"Operations": {}}, {"Operations": "x"}, {"Operations": ["x"]}]
    for members in wrong:
        expect_error(scim.post("/Bulk", {"schemas": [BULK_REQUEST]} | members), 400, "invalidSyntax")


@requirement("7644-3.7-03")
def bulk_methods(scim: Scim) -> None:
    """POST, PUT, PATCH and DELETE are carried out; any other method is refused."""
    put, patched, deleted = scim.user(), scim.user(), scim.user()
    found = results(
        scim,
        new_user(scim, "a"),
        operation("PUT", f"/Users/{put['id']}", scim.user_body(userName=put["userName"], title="put")),
        change(f"/Users/{patched['id']}", {"op": "add", "path": "title", "value": "patched"}),
        operation("DELETE", f"/Users/{deleted['id']}"),
    )
    ensure(found[0]["status"] == "201" and found[1]["status"] == "200", f"statuses {statuses(found)}")
    ensure(found[2]["status"] in ("200", "204") and found[3]["status"] == "204", f"statuses {statuses(found)}")
    titles = [scim.read(f"/Users/{one['id']}").get("title") for one in (put, patched)]
    equal(titles, ["put", "patched"], "titles after PUT and PATCH")
    expect_error(scim.get(f"/Users/{deleted['id']}"), 404)
    for method in ("GET", "HEAD", "OPTIONS", "x", ""):
        answer = send(scim, operation(method, f"/Users/{put['id']}"))
        if answer.status_code == 200:
            failure(answer.json()["Operations"][0], "400", "405")
        else:
            expect_error(answer, 400, "invalidSyntax")


@requirement("7644-3.7-04")
def bulk_ids_of_creations(scim: Scim) -> None:
    """POST needs a bulkId, and two with the same one are not both carried out."""
    unnamed = new_user(scim, "")
    del unnamed["bulkId"]
    answer = send(scim, unnamed)
    if answer.status_code == 200:
        failure(answer.json()["Operations"][0], "400")
    else:
        expect_error(answer, 400)
    equal(scim.find("/Users", f'userName eq "{unnamed["data"]["userName"]}"')["totalResults"], 0, "users made without a bulkId")
    answer = send(scim, new_user(scim, "same"), new_user(scim, "same"))
    if answer.status_code == 200:
        failure(answer.json()["Operations"][1], "400", "409")
    else:
        expect_error(answer, 400)


@requirement("7644-3.7-05")
def bulk_versions(scim: Scim) -> None:
    """version is the If-Match of PUT, PATCH and DELETE: a stale one is 412 and nothing happens, the present one is taken."""
    scim.feature("etag")
    user = scim.user()
    path, version = f"/Users/{user['id']}", user["meta"]["version"]
    title = {"op": "add", "path": "title", "value": "x"}
    results(scim, change(path, title))
    changed = scim.read(path)
    for stale in (
        operation("PUT", path, scim.user_body(userName=user["userName"]), version=version),
        change(path, title | {"value": "y"}, version=version),
        operation("DELETE", path, version=version),
    ):
        failure(results(scim, stale)[0], "412")
    equal(scim.read(path), changed, "the user after three operations with a stale version")
    equal(results(scim, operation("DELETE", path, version=changed["meta"]["version"]))[0]["status"], "204", "status of DELETE")


@requirement("7644-3.7-06")
def bulk_paths(scim: Scim) -> None:
    """path is the endpoint of a type for POST, and a resource for the other methods; any other path changes nothing."""
    user, body = scim.user(), scim.user_body()
    absolute = scim.url(f"/Users/{user['id']}")
    wrong = [
        operation("POST", f"/Users/{user['id']}", body, "a"),
        operation("POST", "/Nothing", body, "a"),
        operation("POST", "/Bulk", {"schemas": [BULK_REQUEST], "Operations": [new_user(scim, "b")]}, "a"),
        {"method": "POST", "bulkId": "a", "data": body},
        operation("PUT", "/Users", body),
        operation("DELETE", "/Users"),
        operation("DELETE", ""),
        operation("DELETE", f"//example.com/Users/{user['id']}"),
        operation("DELETE", f"/Users/../Users/{user['id']}"),
    ]
    for one in wrong:
        answer = send(scim, one)
        if answer.status_code == 200:
            failure(answer.json()["Operations"][0], "400", "404", "405")
        else:
            expect_error(answer, 400)
    equal(scim.read(f"/Users/{user['id']}"), user, "the user after operations with wrong paths")
    equal(scim.find("/Users", f'userName eq "{body["userName"]}"')["totalResults"], 0, "users made by operations with wrong paths")
    # An absolute URL of the server itself may be taken or refused, but nothing in between.
    done = results(scim, operation("DELETE", absolute))[0]["status"]
    equal(scim.get(f"/Users/{user['id']}").status_code, 404 if done == "204" else 200, f"status of GET after {done} for an absolute path")
    there = scim.user()
    equal(statuses(results(scim, operation("DELETE", f"/Users/{there['id']}"))), ["204"], "statuses for a good path")


@requirement("7644-3.7-07")
def bulk_data(scim: Scim) -> None:
    """POST, PUT and PATCH need data; DELETE does not."""
    user = scim.user()
    path = f"/Users/{user['id']}"
    for one in (operation("POST", "/Users", bulk_id="a"), operation("PUT", path), operation("PATCH", path)):
        answer = send(scim, one)
        if answer.status_code == 200:
            error = failure(answer.json()["Operations"][0], "400")
            ensure(error.get("scimType") in ("invalidSyntax", "invalidValue"), f"scimType {error.get('scimType')!r} without data")
        else:
            expect_error(answer, 400)
    equal(scim.read(path), user, "the user after operations without data")


@requirement("7644-3.7-08")
def bulk_patch_message(scim: Scim) -> None:
    """The data of PATCH is a whole PatchOp message: every operation of it is applied, and another message is refused."""
    user = scim.user(title="before")
    path = f"/Users/{user['id']}"
    operations = [{"op": "replace", "path": "title", "value": "x"}, {"op": "add", "path": "nickName", "value": "y"}]
    found = results(scim, change(path, *operations))
    ensure(found[0]["status"] in ("200", "204"), f"status of PATCH: {found[0]}")
    after = scim.read(path)
    equal((after.get("title"), after.get("nickName")), ("x", "y"), "attributes after a PATCH with two operations")
    failure(results(scim, operation("PATCH", path, {"schemas": [CORE_USER], "title": "z"}))[0], "400")
    equal(scim.read(path), after, "the user after a PATCH that is no PatchOp message")


@requirement("7644-3.7-09")
def bulk_locations(scim: Scim) -> None:
    """Every result has the location of its resource, but for a POST that failed."""
    user, gone = scim.user(), scim.user()
    path = f"/Users/{user['id']}"
    found = results(
        scim,
        new_user(scim, "a"),
        change(path, {"op": "add", "path": "title", "value": "x"}),
        change(path, {"op": "nothing"}),
        operation("DELETE", f"/Users/{gone['id']}"),
        new_user(scim, "b", userName=user["userName"]),
    )
    made = resource(scim, found[0])
    equal(found[0]["location"], made["meta"]["location"], "location of the new user")
    wanted = [user["meta"]["location"]] * 2 + [gone["meta"]["location"]]
    equal([result.get("location") for result in found[1:4]], wanted, "locations of the other results")
    ensure("location" not in found[4], f"a POST that failed has a location: {found[4]}")


@requirement("7644-3.7-10", "7644-3.7.3-02")
def bulk_errors(scim: Scim) -> None:
    """A failed operation has its Error message, with an explanation and the scimType that it would have alone; others have none."""
    user = scim.user()
    found = results(
        scim,
        new_user(scim, "a", userName=user["userName"]),
        new_user(scim, "b", userName=None),
        change(f"/Users/{user['id']}", {"op": "remove"}),
        operation("DELETE", "/Users/none"),
        new_user(scim, "c"),
    )
    errors = [failure(result, status) for result, status in zip(found, ("409", "400", "400", "404"), strict=False)]
    equal([error.get("scimType") for error in errors], ["uniqueness", "invalidValue", "noTarget", None], "scimTypes")
    for error in errors:
        ensure(str(error.get("detail") or "").strip(), f"an error without detail: {error}")
    ensure("schemas" not in found[4].get("response", {}) or CORE_USER in found[4]["response"]["schemas"], "a success has an Error")


@requirement("7644-3.7-11")
def bulk_bodies(scim: Scim) -> None:
    """A success may leave its response out; one that has it shows the resource."""
    found = results(scim, new_user(scim, "a"))[0]
    equal(found["status"], "201", "status of a creation")
    if found.get("response") is not None:
        equal(found["response"], resource(scim, found), "the response of a success")


@requirement("7644-3.7-12")
def bulk_statuses_are_text(scim: Scim) -> None:
    """The status of an operation is the HTTP status as text (erratum 7916)."""
    for status in statuses(results(scim, new_user(scim, "a"), operation("DELETE", "/Users/none"))):
        ensure(type(status) is str and status in ("201", "404"), f"status of an operation is {status!r}")


@requirement("7644-3.7-13", "7644-3.7-14")
def bulk_goes_on(scim: Scim) -> None:
    """A request whose operations fail is answered with 200, and a failure does not keep the others from being done."""
    equal(statuses(results(scim, operation("DELETE", "/Users/none"), operation("DELETE", "/Groups/none"))), ["404"] * 2, "statuses")
    bad = new_user(scim, "bad", userName=None)
    found = results(scim, bad, new_user(scim, "good"), operation("DELETE", "/Users/none"), new_group("other"), bad | {"bulkId": "worse"})
    equal(statuses(found), ["400", "201", "404", "201", "400"], "statuses")
    resource(scim, found[1])
    resource(scim, found[3])


@requirement("7644-3.7-15")
def bulk_stops_after_errors(scim: Scim) -> None:
    """After failOnErrors errors nothing more is done, and what was not done is not in the answer."""
    bad, taken = operation("DELETE", "/Users/none"), scim.user()
    double = new_user(scim, "double", userName=taken["userName"])
    for wrong, status in ((bad, "404"), (double, "409"), (new_user(scim, "empty", userName=None), "400")):
        users = [new_user(scim, str(number)) for number in range(3)]
        found = results(
            scim, users[0], wrong, users[1], wrong | ({"bulkId": "again"} if "bulkId" in wrong else {}), users[2], failOnErrors=2
        )
        equal(statuses(found), ["201", status, "201", status], "statuses with failOnErrors 2")
        names = [user["data"]["userName"] for user in users]
        there = [scim.find("/Users", f'userName eq "{name}"')["totalResults"] for name in names]
        equal(there, [1, 1, 0], "users made with failOnErrors 2")


@requirement("7644-3.7-16")
def bulk_fail_on_errors_is_not_echoed(scim: Scim) -> None:
    """failOnErrors is not part of the answer."""
    body = expect(send(scim, new_user(scim, "a"), failOnErrors=1), 200).json()
    ensure("failonerrors" not in {name.lower() for name in body}, f"the answer has failOnErrors: {sorted(body)}")


@requirement("7644-3.7-17")
def bulk_ids_are_returned(scim: Scim) -> None:
    """The result of a creation has its bulkId, also when it failed."""
    first, second = rand("bulk"), rand("bulk")
    found = results(scim, new_user(scim, first), new_user(scim, second, userName=None))
    equal([result.get("bulkId") for result in found], [first, second], "bulkIds of the results")


@requirement("7644-3.7-19")
def bulk_switched_off(scim: Scim) -> None:
    """Without bulk support, /Bulk is 501; with it, it is not."""
    supported = scim.read("/ServiceProviderConfig")["bulk"]["supported"]
    answer = scim.post("/Bulk", _body(scim, Operations=[]))
    if not supported:
        expect_error(answer, 501)
    else:
        expect(answer, 200, 400)


@requirement("7644-3.7-20")
def bulk_rules_hold(scim: Scim) -> None:
    """Each operation obeys the rules of the single request: uniqueness, mutability, schemas, what is required."""
    user = scim.user()
    name = rand("same")
    found = results(
        scim,
        new_user(scim, "a", userName=name),
        new_user(scim, "b", userName=name.upper()),
        change(f"/Users/{user['id']}", {"op": "replace", "path": "id", "value": "x"}),
        new_user(scim, "c", emails=[{"value": "a@example.com", "primary": True}, {"value": "b@example.com", "primary": True}]),
    )
    equal(found[0]["status"], "201", "status of the first of two equal names")
    errors = [failure(found[1], "409"), failure(found[2], "400"), failure(found[3], "400")]
    equal([error.get("scimType") for error in errors], ["uniqueness", "mutability", "invalidValue"], "scimTypes")


@requirement("7644-3.7.3-01")
def bulk_results_are_complete(scim: Scim) -> None:
    """Every operation that was processed has one result, in the order of the request."""
    operations = [new_user(scim, str(number)) if number % 3 else operation("DELETE", f"/Users/none-{number}") for number in range(12)]
    operations.insert(5, new_group("group", "bulkId:11"))
    found = results(scim, *operations)
    equal([result["method"] for result in found], [one["method"] for one in operations], "methods of the results")
    equal([result.get("bulkId") for result in found], [one.get("bulkId") for one in operations], "bulkIds of the results")


@requirement("7644-3.7.3-03")
def bulk_result_versions(scim: Scim) -> None:
    """The result of a versioned resource has its version: that of a GET, and that which If-Match takes."""
    scim.feature("etag")
    user = scim.user()
    found = results(scim, new_user(scim, "a"), change(f"/Users/{user['id']}", {"op": "add", "path": "title", "value": "x"}))
    for result in found:
        equal(result.get("version"), expect(scim.get(result["location"]), 200).headers["ETag"], "version of a result")
    stale = {"If-Match": user["meta"]["version"]}
    expect_error(scim.patch(f"/Users/{user['id']}", {"op": "remove", "path": "title"}, headers=stale), 412)
    expect(scim.delete(f"/Users/{user['id']}", headers={"If-Match": found[1]["version"]}), 204)


@requirement("7644-3.7.4-01")
def bulk_limits_are_defined(scim: Scim) -> None:
    """maxOperations and maxPayloadSize are whole numbers above 0 where bulk is supported."""
    config = scim.read("/ServiceProviderConfig")["bulk"]
    for name in ("maxOperations", "maxPayloadSize"):
        ensure(type(config.get(name)) is int and (config[name] > 0 or not config["supported"]), f"{name} is {config.get(name)!r}")


@requirement("7644-3.7.4-02", "7644-3.7.4-03")
def bulk_limits_are_enforced(scim: Scim) -> None:
    """One operation or one byte beyond its limit is 413 and names the limit, and nothing is done; at the limit all is."""
    scim.feature("bulk")
    config = scim.read("/ServiceProviderConfig")["bulk"]
    most, size = config["maxOperations"], config["maxPayloadSize"]
    if most > 10_000 or size > 16 * 1024 * 1024:
        raise Skip(f"the limits are too large to be tried: {most} operations, {size} bytes")
    user = new_user(scim, "first")
    nothing = operation("DELETE", "/Users/none")
    error = expect_error(send(scim, user, *[nothing] * most), 413)
    ensure("maxOperations" in error["detail"] and str(most) in error["detail"], f"the detail does not name the limit: {error['detail']}")
    equal(len(results(scim, *[nothing] * most)), most, "results at the limit")
    whole = scim.http.build_request("POST", scim.url("/Bulk"), json={"schemas": [BULK_REQUEST], "Operations": [user]}).content
    error = expect_error(scim.post("/Bulk", content=whole.ljust(size + 1)), 413)
    ensure("maxPayloadSize" in error["detail"] and str(size) in error["detail"], f"the detail does not name the limit: {error['detail']}")
    equal(scim.find("/Users", f'userName eq "{user["data"]["userName"]}"')["totalResults"], 0, "users made beyond a limit")
    made = expect(scim.post("/Bulk", content=whole.ljust(size)), 200).json()["Operations"]
    equal(statuses(made), ["201"], "statuses at the largest size")
    scim.created(made[0]["location"])
