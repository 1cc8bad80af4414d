"""Devices and the applications that reach them: RFC 9944 as definitions that the server is given as data."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import httpx

from conformance.checks.schema_support import published, trait
from conformance.client import CORE_GROUP, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.dynamic import define, define_type, until
from conformance.registry import case, requirement

_TAGS = ("dynamic",)
_DEVICE = "urn:ietf:params:scim:schemas:core:2.0:Device"
_APP = "urn:ietf:params:scim:schemas:core:2.0:EndpointApp"
_EXTENSION = "urn:ietf:params:scim:schemas:extension:{}:2.0:Device"
_DATA: Json = json.loads((Path(__file__).parents[1] / "data" / "device.json").read_text(encoding="utf-8"))


def _served(scim: Scim) -> None:
    """See to it that the server has the schemas and resource types of RFC 9944, by defining them where it does not."""
    if scim.get("/ResourceTypes/Device").status_code == 200:
        return
    kinds = {kind["name"]: kind for kind in _DATA["resourceTypes"]}
    schemas = {schema["id"]: schema for schema in _DATA["schemas"]}
    define(scim, schemas.pop(_APP))
    define_type(scim, "EndpointApp", _APP)  # first, since devices refer to it
    for schema in schemas.values():
        define(scim, schema)
    define_type(scim, "Device", _DEVICE, kinds["Device"]["schemaExtensions"])


def _device(**values: Json) -> Json:
    """A body for /Devices; extensions go under their short names."""
    body: dict[str, Json] = {"schemas": [_DEVICE], "displayName": rand("device"), "active": True}
    for name, value in values.items():
        urn = _EXTENSION.format(name.replace("_", "-"))
        if urn in {schema["id"] for schema in _DATA["schemas"]}:
            body["schemas"].append(urn)
            body[urn] = value
        elif value is None:
            body.pop(name)
        else:
            body[name] = value
    return body


def _app(**values: Json) -> Json:
    return {"schemas": [_APP], "applicationType": "deviceControl", "applicationName": rand("app")} | values


@requirement("9944-2-01", tags=_TAGS)
def device_is_a_resource_type(scim: Scim) -> None:
    """Devices are a resource type with id, externalId and meta, at /Devices."""
    _served(scim)
    kind = scim.read("/ResourceTypes/Device")
    equal((kind["schema"], "/" + kind["endpoint"].strip("/")), (_DEVICE, "/Devices"), "schema and endpoint of Device")
    made = scim.create("/Devices", _device(externalId="X1"))
    shown = scim.read(f"/Devices/{made['id']}")
    equal((shown["meta"]["resourceType"], shown["externalId"], shown["schemas"]), ("Device", "X1", [_DEVICE]), "the device when read")
    equal(scim.find("/Devices", 'externalId eq "X1" and active eq true')["totalResults"], 1, "devices found")


@requirement("9944-3.1-01", tags=_TAGS)
def device_attributes(scim: Scim) -> None:
    """active is required; displayName is compared without case, mudUrl with it; groups are the server's."""
    _served(scim)
    for name, traits in (
        ("active", {"type": "boolean", "required": True}),
        ("displayName", {"required": False, "caseExact": False}),
        ("mudUrl", {"required": False, "caseExact": True}),
        ("groups", {"multiValued": True, "mutability": "readOnly"}),
    ):
        definition = published(scim, _DEVICE, name)
        equal({key: trait(definition, key) for key in traits}, traits, f"{name} as published")
    expect_error(scim.post("/Devices", _device(active=None)), 400, "invalidValue", "invalidSyntax")
    name = rand("Monitor")
    made = scim.create("/Devices", _device(displayName=name, mudUrl="https://example.com/Mud", groups=[{"value": "x"}]))
    ensure("groups" not in scim.read(f"/Devices/{made['id']}"), "groups were taken from the client")
    for filter_, found in (
        (f'displayName eq "{name.upper()}"', 1),
        (f'displayName eq "{name}" and mudUrl eq "https://example.com/Mud"', 1),
        (f'displayName eq "{name}" and mudUrl eq "https://example.com/mud"', 0),
    ):
        equal(scim.find("/Devices", filter_)["totalResults"], found, f"devices found by {filter_}")


@requirement("9944-4-01", tags=_TAGS)
def devices_in_groups(scim: Scim) -> None:
    """A device or an application in a group is a member of the type Device or EndpointApp, and shows the group."""
    _served(scim)
    group = scim.read(f"/Schemas/{CORE_GROUP}")
    wider = json.loads(json.dumps(group))
    for attribute in wider["attributes"]:
        for part in attribute.get("subAttributes", []) if attribute["name"] == "members" else []:
            if part["name"] == "$ref":
                part["referenceTypes"] = sorted({*part.get("referenceTypes", []), "Device", "EndpointApp"})
            if part["name"] == "type" and part.get("canonicalValues"):
                part["canonicalValues"] = sorted({*part["canonicalValues"], "Device", "EndpointApp"})
    expect(scim.as_admin("PUT", f"/Schemas/{CORE_GROUP}", wider), 200)
    try:
        until(scim, f"/Schemas/{CORE_GROUP}", lambda schema: "EndpointApp" in json.dumps(schema))
        device, app = scim.create("/Devices", _device()), scim.create("/EndpointApps", _app())
        team = scim.group(device["id"], app["id"])
        shown = {one["value"]: one.get("type") for one in scim.read(f"/Groups/{team['id']}")["members"]}
        equal(shown, {device["id"]: "Device", app["id"]: "EndpointApp"}, "types of the members")
        for path in (f"/Devices/{device['id']}", f"/EndpointApps/{app['id']}"):
            equal([one["value"] for one in scim.read(path).get("groups", [])], [team["id"]], f"groups of {path}")
        equal(scim.find("/Devices", f'groups.value eq "{team["id"]}"')["totalResults"], 1, "devices found by their group")
        expect(scim.delete(f"/Groups/{team['id']}"), 204)
    finally:
        expect(scim.as_admin("PUT", f"/Schemas/{CORE_GROUP}", group), 200)


@requirement("9944-6.2-01", tags=_TAGS)
def application_types(scim: Scim) -> None:
    """An application is of the type deviceControl or telemetry and has a name; other types and none are refused."""
    _served(scim)
    for type_ in ("deviceControl", "telemetry"):
        made = scim.create("/EndpointApps", _app(applicationType=type_))
        equal(scim.read(f"/EndpointApps/{made['id']}")["applicationType"], type_, "applicationType")
    for wrong in ({"applicationType": "toaster"}, {"applicationType": None}, {"applicationName": None}):
        body = {name: value for name, value in (_app() | wrong).items() if value is not None}
        expect_error(scim.post("/EndpointApps", body), 400, "invalidValue", "invalidSyntax")
    answer = scim.patch(f"/EndpointApps/{made['id']}", {"op": "replace", "path": "applicationType", "value": "deviceControl"})
    expect_error(answer, 400, "mutability")


@requirement("9944-6.3.1-01", tags=_TAGS)
def certificates_of_applications(scim: Scim) -> None:
    """Accepted certificateInfo is returned; a clientToken is the server's and never the client's."""
    _served(scim)
    info = {"rootCA": base64.b64encode(b"root").decode(), "subjectName": "www.example.com"}
    made = scim.create("/EndpointApps", _app(certificateInfo=info, clientToken="mine"))
    for shown in (made, scim.read(f"/EndpointApps/{made['id']}")):
        equal(shown.get("certificateInfo"), info, "certificateInfo")
        ensure(shown.get("clientToken") != "mine", "the client chose its clientToken")
    expect_error(scim.post("/EndpointApps", _app(certificateInfo={"rootCA": "AAEC"})), 400, "invalidValue", "invalidSyntax")


@requirement("9944-7.6-01", tags=_TAGS)
def applications_of_devices(scim: Scim) -> None:
    """A device names the applications that reach it, which must exist, with where they find it; deleting one ends that."""
    _served(scim)
    urn = _EXTENSION.format("endpointAppsExt")
    app, other = scim.create("/EndpointApps", _app()), scim.create("/EndpointApps", _app(applicationType="telemetry"))
    endpoints = {"deviceControlEnterpriseEndpoint": "https://example.com/control"}
    made = scim.create("/Devices", _device(endpointAppsExt=endpoints | {"applications": [{"value": app["id"]}, {"value": other["id"]}]}))
    shown = scim.read(f"/Devices/{made['id']}")[urn]
    equal(shown["deviceControlEnterpriseEndpoint"], "https://example.com/control", "deviceControlEnterpriseEndpoint")
    equal({one["value"] for one in shown["applications"]}, {app["id"], other["id"]}, "applications")
    ensure(
        all(one["$ref"].endswith(f"/EndpointApps/{one['value']}") for one in shown["applications"]), f"$ref is {shown['applications']!r}"
    )
    equal(scim.find("/Devices", f'{urn}:applications.value eq "{app["id"]}"')["totalResults"], 1, "devices found by application")
    nobody = endpoints | {"applications": [{"value": "00000000-0000-7000-8000-000000000000"}]}
    expect_error(scim.post("/Devices", _device(endpointAppsExt=nobody)), 400, "invalidValue")
    expect_error(scim.post("/Devices", _device(endpointAppsExt=endpoints)), 400, "invalidValue", "invalidSyntax")
    if expect(scim.delete(f"/EndpointApps/{other['id']}"), 204, 409).status_code == 204:
        left = scim.read(f"/Devices/{made['id']}")[urn]["applications"]
        equal([one["value"] for one in left], [app["id"]], "applications after one was deleted")


@case("dynamic-device-extensions", section="RFC 9944 §7", tags={*_TAGS, "device"})
def extensions_of_devices(scim: Scim) -> None:
    """A device has what its networks need, several extensions at once; keys and vouchers are never shown; patches reach them."""
    _served(scim)
    ble = {"versionSupport": ["5.3", "5.4"], "deviceMacAddress": "2C:54:91:88:C9:E2", "isRandom": False, "pairingMethods": ["urn:x:Null"]}
    zigbee = {"versionSupport": ["3.0"], "deviceEui64Address": "50:32:5F:FF:FE:E7:67:28"}
    dpp = {"dppVersion": 2, "bootstrapKey": "MDkwEwYH", "classChannel": ["81/1", "115/36"]}
    mab = {"deviceMacAddress": "2C:54:91:88:C9:E3"}
    body = _device(
        ble=ble | {"irk": "secret key of it"}, zigbee=zigbee, dpp=dpp, ethernet_mab=mab, fido_device_onboard={"fdoVoucher": "the voucher"}
    )
    made = scim.create("/Devices", body)
    shown = scim.read(f"/Devices/{made['id']}")
    equal(shown[_EXTENSION.format("ble")], ble, "ble")
    equal(shown[_EXTENSION.format("zigbee")], zigbee, "zigbee")
    equal(shown[_EXTENSION.format("dpp")], {"dppVersion": 2, "classChannel": ["81/1", "115/36"]}, "dpp")
    ensure("voucher" not in json.dumps({key: value for key, value in shown.items() if key != "schemas"}), "the voucher is shown")
    for name, filter_ in (
        ("ble", 'versionSupport eq "5.4"'),
        ("ble", 'deviceMacAddress eq "2c:54:91:88:c9:e2"'),
        ("dpp", "dppVersion ge 2"),
        ("zigbee", 'deviceEui64Address sw "50:32"'),
    ):
        asked = f"{_EXTENSION.format(name)}:{filter_}"
        equal([one["id"] for one in scim.find("/Devices", asked)["Resources"]], [made["id"]], f"devices found by {asked}")
    path = f"{_EXTENSION.format('ble')}:mobility"
    expect(scim.patch(f"/Devices/{made['id']}", {"op": "add", "path": path, "value": True}), 200, 204)
    equal(scim.read(f"/Devices/{made['id']}")[_EXTENSION.format("ble")], ble | {"mobility": True}, "ble after PATCH")
    expect_error(scim.post("/Devices", _device(zigbee={"versionSupport": ["3.0"]})), 400, "invalidValue", "invalidSyntax")


@requirement("9944-8-01", tags=_TAGS)
def devices_need_a_token(scim: Scim) -> None:
    """Without a token no device is made or shown."""
    _served(scim)
    before = scim.read("/Devices")["totalResults"]
    with httpx.Client(timeout=30) as nobody:
        for answer in (nobody.post(scim.url("/Devices"), json=_device()), nobody.get(scim.url("/Devices"))):
            expect_error(answer, 401)
    equal(scim.read("/Devices")["totalResults"], before, "devices after refused requests")
