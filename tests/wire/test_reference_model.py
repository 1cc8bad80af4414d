"""References of every kind, written, patched and cut off by deletions in any order, against a model that fits on a page."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.wire.support import PUBLIC, Client, Server
from tests.wire.test_annotated_references import define_projects

_EXTRA: Final = "urn:example:params:scim:schemas:extension:extra:2.0:Project"
_STEPS: Final = 80
_ROLES: Final = (None, "lead", "spare", "tester")


@dataclass
class _Project:
    """What a project has: roles by the id of who has them, and a sponsor."""

    staff: dict[str, str | None] = field(default_factory=dict)
    parts: dict[str, str | None] = field(default_factory=dict)
    reviewers: dict[str, str | None] = field(default_factory=dict)
    sponsor: str | None = None


class _Model:
    """Does a random step to the server and to itself alike."""

    def __init__(self, server: Server, client: Client, seed: int) -> None:
        self.server, self.client, self.random = server, client, random.Random(seed)
        self.users: list[str] = []
        self.projects: dict[str, _Project] = {}

    async def step(self) -> None:
        if len(self.users) < 4:
            self.users.append((await self.client.new_user())["id"])
        elif len(self.projects) < 3:
            await self._create()
        else:
            await self.random.choice(
                (self._add, self._add, self._remove, self._replace, self._set_role, self._sponsor, self._put, self._delete)
            )()

    def _some(self, kind: str, id_: str | None) -> dict[str, str | None]:
        """A few references of a kind that a project may have."""
        known = self.users if kind != "parts" else [one for one in self.projects if one != id_]
        chosen = self.random.sample(known, self.random.randint(0, min(3, len(known))))
        return {one: self.random.choice(_ROLES) for one in chosen}

    def _elements(self, found: dict[str, str | None]) -> list[dict[str, Any]]:
        return [{"value": one} | ({} if role is None else {"role": role}) for one, role in found.items()]

    async def _create(self) -> None:
        made = _Project(self._some("staff", None), self._some("parts", None), self._some("reviewers", None))
        answer = await self.client.post("/Projects", self._body(made))
        assert answer.status_code == 201, answer.text
        self.projects[answer.json()["id"]] = made

    def _body(self, project: _Project) -> dict[str, Any]:
        body: dict[str, Any] = {"title": "x", "staff": self._elements(project.staff), "parts": self._elements(project.parts)}
        body[_EXTRA] = {"reviewers": self._elements(project.reviewers)}
        return body | ({} if project.sponsor is None else {"sponsor": {"value": project.sponsor}})

    def _chosen(self) -> tuple[str, str, str, dict[str, str | None]]:
        """A project, a kind of reference, its path, and what the project has of the kind."""
        id_ = self.random.choice(list(self.projects))
        kind = self.random.choice(("staff", "parts", "reviewers"))
        return id_, kind, f"{_EXTRA}:{kind}" if kind == "reviewers" else kind, getattr(self.projects[id_], kind)

    async def _patch(self, id_: str, operation: dict[str, Any]) -> None:
        answer = await self.client.patch(f"/Projects/{id_}", operation)
        assert answer.status_code == 200, (operation, answer.text)

    async def _add(self) -> None:
        id_, kind, path, held = self._chosen()
        new = {one: role for one, role in self._some(kind, id_).items() if one not in held}
        if new:
            await self._patch(id_, {"op": "add", "path": path, "value": self._elements(new)})
            held |= new

    async def _remove(self) -> None:
        id_, _, path, held = self._chosen()
        if not held or self.random.random() < 0.2:
            await self._patch(id_, {"op": "remove", "path": path})
            held.clear()
            return
        gone = self.random.choice(list(held))
        role = held[gone]
        by_role = role is not None and self.random.random() < 0.5
        await self._patch(id_, {"op": "remove", "path": f'{path}[role eq "{role}"]' if by_role else f'{path}[value eq "{gone}"]'})
        for one in [one for one, other in held.items() if (other == role if by_role else one == gone)]:
            del held[one]

    async def _replace(self) -> None:
        id_, kind, path, held = self._chosen()
        new = self._some(kind, id_)
        await self._patch(id_, {"op": "replace", "path": path, "value": self._elements(new)})
        held.clear()
        held |= new

    async def _set_role(self) -> None:
        id_, _, path, held = self._chosen()
        if held:
            one, role = self.random.choice(list(held)), self.random.choice(_ROLES[1:])
            await self._patch(id_, {"op": "replace", "path": f'{path}[value eq "{one}"].role', "value": role})
            held[one] = role

    async def _sponsor(self) -> None:
        id_ = self.random.choice(list(self.projects))
        self.projects[id_].sponsor = self.random.choice([*self.users, None])
        await self._patch(id_, {"op": "replace", "path": "sponsor", "value": self.projects[id_].sponsor})

    async def _put(self) -> None:
        id_ = self.random.choice(list(self.projects))
        new = _Project(self._some("staff", id_), self._some("parts", id_), self._some("reviewers", id_), self.random.choice(self.users))
        assert (await self.client.put(f"/Projects/{id_}", self._body(new))).status_code == 200
        self.projects[id_] = new

    async def _delete(self) -> None:
        if self.random.random() < 0.3:
            gone = self.random.choice(list(self.projects))
            del self.projects[gone]
            path = f"/Projects/{gone}"
        else:
            gone = self.users.pop(self.random.randrange(len(self.users)))
            path = f"/Users/{gone}"
        assert (await self.client.delete(path)).status_code == 204
        for project in self.projects.values():
            for held in (project.staff, project.parts, project.reviewers):
                held.pop(gone, None)
            project.sponsor = None if project.sponsor == gone else project.sponsor

    async def compare(self) -> None:
        """Everything that the server shows, keeps and finds is what the model says."""
        listed = (await self.client.get("/Projects")).json()["Resources"]
        shown = {one["id"]: one for one in listed}
        assert shown.keys() == self.projects.keys()
        rows = set()
        for id_, project in self.projects.items():
            one = shown[id_]
            base = f"{PUBLIC}{self.client.base}"
            for key, elements, held, endpoint in (
                ("staff", one.get("staff", []), project.staff, "Users"),
                ("parts", one.get("parts", []), project.parts, "Projects"),
                (f"{_EXTRA}:reviewers".lower(), one.get(_EXTRA, {}).get("reviewers", []), project.reviewers, "Users"),
            ):
                assert {element["value"]: element.get("role") for element in elements} == held, (id_, key)
                assert {element["$ref"] for element in elements} == {f"{base}/{endpoint}/{target}" for target in held}, (id_, key)
                rows |= {(id_, key, target) for target in held}
            sponsor = one.get("sponsor")
            assert sponsor == (None if project.sponsor is None else {"value": project.sponsor, "$ref": f"{base}/Users/{project.sponsor}"})
            above = {other for other, holder in self.projects.items() if id_ in holder.parts}
            assert above <= {element["value"] for element in one.get("within", [])}
            assert set(await self.client.search(f'parts.value eq "{id_}"', "/Projects")) == above
        stored = await self.server.pool.fetch("SELECT source, attribute, target FROM reference WHERE tenant = $1", self.client.id)
        assert {(row["source"], row["attribute"], row["target"]) for row in stored} == rows


@pytest.mark.parametrize("seed", range(4))
async def test_references_are_what_the_model_says(server: Server, client: Client, seed: int) -> None:
    """After each of many random steps elements, `$ref`, rows, filters and what is shown from the other side agree."""
    await define_projects(server, client)
    model = _Model(server, client, seed)
    for _ in range(_STEPS):
        await model.step()
        await model.compare()
