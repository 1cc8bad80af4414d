"""Unicode: preparation of user names, passwords and other strings before they are compared (RFC 7644 §5, §7.8)."""

from __future__ import annotations

from conformance.client import Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import case, requirement

_COMPOSED, _DECOMPOSED, _CAPITAL = "\u00e9", "e\u0301", "\u00c9"


def _full_width(text: str) -> str:
    """ASCII letters and digits in their full-width forms, as East Asian keyboards give them."""
    return "".join(chr(ord(char) + 0xFEE0) if char.isascii() and char.isalnum() else char for char in text)


def _selected(scim: Scim, filter_: str, user: Json, bystander: Json) -> None:
    equal(scim.matches("/Users", filter_, [user, bystander]), {user["id"]}, f"users selected by {filter_!a}")


@requirement("7644-5-01")
def user_names_are_prepared(scim: Scim) -> None:
    """User names that differ in width, composition or letter case only are the same name, which is shown as it was given."""
    plain, accented, bystander = rand("Bjensen"), rand(f"Ren{_COMPOSED}"), scim.user()
    spellings = {
        plain: (_full_width(plain), plain.upper(), _full_width(plain.lower())),
        accented: (accented.replace(_COMPOSED, _DECOMPOSED), accented.replace(_COMPOSED, _CAPITAL), accented.upper()),
    }
    for name, others in spellings.items():
        user = scim.user(userName=name)
        for other in others:
            expect_error(scim.post("/Users", scim.user_body(userName=other)), 409, "uniqueness")
            _selected(scim, f'userName eq "{other}"', user, bystander)
        equal(scim.read(f"/Users/{user['id']}")["userName"], name, "userName read back")
    wide = _full_width(rand("Mei"))
    equal(scim.read(f"/Users/{scim.user(userName=wide)['id']}")["userName"], wide, "userName given in full width")


@requirement("7644-5-02")
def passwords_are_opaque_strings(scim: Scim) -> None:
    """A password may hold any spaces and letters, none of which makes it invalid or visible; an empty one is refused."""
    # How passwords compare is not visible from outside: SCIM has no sign-in. What the profile accepts and refuses is.
    for secret in (f"pass\u00a0word {rand()}", f"pass\u3000word {rand()}", f"{_DECOMPOSED}t{_COMPOSED} {rand()}", f"密碼 🔑 {rand()}"):
        made = expect(scim.post("/Users", scim.user_body(password=secret, title="before")), 201)
        at = f"/Users/{made.json()['id']}"
        again = secret.replace("\u00a0", " ").replace("\u3000", " ").replace(_DECOMPOSED, _COMPOSED)
        patched = expect(scim.patch(at, {"op": "replace", "path": "password", "value": again}), 200, 204)
        shown = expect(scim.get(at), 200)
        for answer in (made, patched, shown):
            ensure(secret[-8:] not in answer.text and '"password"' not in answer.text, "an answer shows the password")
        equal(shown.json().get("title"), "before", "title after a change of password")
    name = rand("user")
    expect_error(scim.post("/Users", scim.user_body(userName=name, password="")), 400, "invalidValue")
    equal(scim.find("/Users", f'userName eq "{name}"')["totalResults"], 0, "users made with an empty password")


@requirement("7644-7.8-01")
def strings_are_prepared(scim: Scim) -> None:
    """Strings are normalised and case-folded before they are compared, in every operator, without rules of a language."""
    tail = rand("x")
    title = f"Cr{_COMPOSED}ateur TITLE {tail}"
    user, bystander = scim.user(userName=rand(f"{_COMPOSED}lan"), displayName=title), scim.user(displayName=f"Createur {tail}")
    name = user["userName"]
    for letter in (_CAPITAL, _DECOMPOSED, _DECOMPOSED.upper()):
        _selected(scim, f'userName eq "{name.replace(_COMPOSED, letter)}"', user, bystander)
    # The letter I is plain I in every language.
    for spelling in (title.lower(), title.upper(), title.replace(_COMPOSED, _DECOMPOSED)):
        _selected(scim, f'displayName eq "{spelling}"', user, bystander)
    _selected(scim, f'displayName sw "CR{_DECOMPOSED.upper()}ATEUR"', user, bystander)
    _selected(scim, f'displayName co "{_DECOMPOSED}ateur title {tail[:-1]}"', user, bystander)
    _selected(scim, f'displayName ew "{_DECOMPOSED}ateur title {tail.upper()}"', user, bystander)
    equal(scim.read(f"/Users/{user['id']}")["displayName"], title, "displayName read back")


@case("i18n.full-case-folding", section="RFC 7644 §7.8", tags={"i18n", "rfc"}, level="SHOULD")
def letters_fold_fully(scim: Scim) -> None:
    """Letters whose cases are not one to one compare equal: both small sigmas, and sharp s with double s."""
    # The RFC asks for preparation and leaves the folding open; full folding is the choice behind decision 32.
    tail = rand("x")
    greek, german = f"\u039f\u0394\u039f\u03a3 {tail}", f"Stra\u00dfe {tail}"
    user, bystander = scim.user(displayName=greek, nickName=german), scim.user(displayName=tail, nickName=tail)
    for spelling in (greek.replace("\u03a3", "\u03c3"), greek.replace("\u03a3", "\u03c2"), greek.lower()):
        _selected(scim, f'displayName eq "{spelling}"', user, bystander)
    for spelling in (german.replace("\u00df", "SS"), german.upper(), german.replace("\u00df", "\u1e9e")):
        _selected(scim, f'nickName eq "{spelling}"', user, bystander)
    shown = scim.read(f"/Users/{user['id']}")
    equal((shown.get("displayName"), shown.get("nickName")), (greek, german), "displayName and nickName read back")
