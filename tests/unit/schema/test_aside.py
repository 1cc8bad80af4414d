"""Values of attributes that a type has no more are told from the rest, and can be put back without loss."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimsrv.schema.aside import restored, split
from scimsrv.schema.policy import Policy
from scimsrv.schema.validate import Coercer
from tests.unit.schema.support import BOAT, CREW, CREW_DEFINITION, LOG, LOG_DEFINITION, boat
from tests.unit.schema.test_evolution import _subs, boats

_FULL = boat(
    nick="Gi",
    sails=[{"value": "jib", "maker": "Ada"}, {"value": "main"}],
    engine={"maker": "M", "hours": 3},
    log={"miles": 5, "keeper": "K", "trips": [{"to": "Kiel", "days": 1}, {"days": 2}]},
    crew={"captain": "C"},
)


_SHORT_LOG: dict[str, Any] = LOG_DEFINITION | {
    "attributes": [
        {"name": "miles", "type": "integer"},
        {"name": "trips", "type": "complex", "multiValued": True, "subAttributes": [{"name": "to"}]},
    ]
}


@pytest.mark.parametrize(
    ("changed", "expected", "known"),
    [
        ({}, {}, {}),
        ({"nick": None}, {"nick": "Gi"}, {"nick": None}),
        ({"sails": None}, {"sails": _FULL["sails"]}, {"sails": None}),
        (
            {"sails": _subs("sails", maker=None)},
            {"sails.maker": [[{"value": "jib"}, "Ada"]]},
            {"sails": [{"value": "jib"}, {"value": "main"}]},
        ),
        ({"engine": _subs("engine", hours=None)}, {"engine.hours": [[{"maker": "M"}, 3]]}, {"engine": {"maker": "M"}}),
        ({"extensions": ((LOG_DEFINITION, False),)}, {f"{CREW}:captain".lower(): "C"}, {CREW: None, "schemas": [BOAT, LOG]}),
        (
            {"extensions": ((_SHORT_LOG, False), (CREW_DEFINITION, False))},
            {f"{LOG}:keeper".lower(): "K", f"{LOG}:trips.days".lower(): [[{"to": "Kiel"}, 1], [{}, 2]]},
            {LOG: {"miles": 5, "trips": [{"to": "Kiel"}]}},
        ),
    ],
)
def test_split(changed: dict[str, Any], expected: dict[str, Any], known: dict[str, Any]) -> None:
    """What the type has stays as it is; `schemas` names what is left."""
    schema = boats(**{"extensions": ((LOG_DEFINITION, False), (CREW_DEFINITION, False))} | changed)
    kept, strays = split(_FULL, schema)
    assert strays == expected
    assert kept == {name: value for name, value in (_FULL | known).items() if value is not None}
    whole = boats(extensions=((LOG_DEFINITION, False), (CREW_DEFINITION, False)))
    for key, value in strays.items():
        back = restored(kept, whole, key, value, Coercer(Policy()))
        assert back is not None
        kept = back
    assert kept == _FULL


@pytest.mark.parametrize(
    ("changed", "written", "expected"),
    [
        ({"nick": {"type": "integer"}}, {"nick": "x"}, {"nick": "x"}),
        ({"nick": {"type": "dateTime"}}, {"nick": "x"}, {"nick": "x"}),
        ({"nick": {"multiValued": True}}, {"nick": "x"}, {"nick": "x"}),
        ({"flags": {"multiValued": False}}, {"flags": ["x"]}, {"flags": ["x"]}),
        ({"nick": {"type": "complex", "subAttributes": [{"name": "value"}]}}, {"nick": "x"}, {"nick": "x"}),
        ({"engine": {"type": "string", "subAttributes": []}}, {"engine": {"maker": "M"}}, {"engine": {"maker": "M"}}),
        ({"nick": {"returned": "never"}}, {"nick": "x"}, {"nick": "x"}),
        ({"sails": _subs("sails", area={"type": "string"})}, {"sails": [{"value": "a", "area": 1}]}, {"sails.area": [[{"value": "a"}, 1]]}),
    ],
)
def test_what_has_another_form(changed: dict[str, Any], written: dict[str, Any], expected: dict[str, Any]) -> None:
    """A value that was written in a form which the attribute has no more is set aside: nobody could read it."""
    document = {"schemas": [BOAT], "id": "b-1", "label": "Gull"} | written
    kept, strays = split(document, boats(**changed))
    assert strays == expected
    assert kept.keys() & written.keys() == {"sails"} & written.keys()
    assert split(document, boats()) == (document, {})


@pytest.mark.parametrize(
    ("document", "key", "value"),
    [
        (boat(nick="new"), "nick", "old"),
        (boat(), "nick", {"not": "text"}),
        (boat(), "gone", "x"),
        (boat(sails=[{"value": "main"}]), "sails.maker", [[{"value": "jib"}, "Ada"]]),
        (boat(sails=[{"value": "jib", "maker": "new"}]), "sails.maker", [[{"value": "jib"}, "Ada"]]),
    ],
)
def test_what_cannot_be_put_back(document: dict[str, Any], key: str, value: Any) -> None:
    """A value stays aside where there is another by now, where it does not fit, and where its element is gone."""
    assert restored(document, boats(), key, value, Coercer(Policy())) is None


@given(st.sets(st.sampled_from(["nick", "sails", "engine"])), st.booleans())
def test_split_loses_nothing(gone: set[str], log: bool) -> None:
    """Every value of the document is on one side or the other, whatever goes."""
    schema = boats(extensions=((CREW_DEFINITION, False), *(((LOG_DEFINITION, False),) if log else ())), **dict.fromkeys(gone))
    kept, strays = split(_FULL, schema)
    assert set(strays) == gone | (set() if log else {f"{LOG}:{name}".lower() for name in ("miles", "keeper", "trips")})
    assert kept.keys() | gone | (set() if log else {LOG}) == _FULL.keys()
    assert split(kept, schema) == (kept, {})
