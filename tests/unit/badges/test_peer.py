"""openbadgeslib reads what is baked here, and what it bakes is read here; it runs in an environment of its own."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.baking.__main__ import PEERS
from scimsrv.badges import bake
from tests.unit.badges import test_png, test_svg
from tests.unit.badges.pictures import JSON, JWS, rich_pngs, rich_svgs

PYTHON = PEERS / "bin" / "python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="openbadgeslib has no environment here (python -m bench.baking makes it)")

Ask = Callable[..., str | None]

#: Pictures in which the prefix of the standard stands for something else, or that have no element without prefix: it does not see those.
BEYOND_IT = ("prefixed root", "prefixed and closed root", "prefix taken", "prefixes taken", "prefix taken, declared under another")


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Yield a function that has openbadgeslib answer: function, picture, token → token found, or picture made in base64."""
    command = [PYTHON, Path(__file__).with_name("peer_process.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def answer(function: str, picture: bytes, token: str | None = None) -> str | None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps([function, base64.b64encode(picture).decode(), token]) + "\n")
            process.stdin.flush()
            found: str | None = json.loads(process.stdout.readline())
            return found

        yield answer
        process.stdin.close()


@pytest.mark.parametrize("kind", ["png", "svg"])
@pytest.mark.parametrize("payload", [JSON, JWS], ids=["json", "jws"])
def test_each_reads_what_the_other_bakes(ask: Ask, kind: str, payload: bytes) -> None:
    """Both find the same payload in every picture that either baked."""
    extract, put = getattr(bake, f"extract_{kind}"), getattr(bake, f"bake_{kind}")
    for name, image in (rich_pngs() if kind == "png" else rich_svgs()).items():
        if name in BEYOND_IT:
            continue
        assert ask(f"extract_{kind}", put(image, payload)) == payload.decode(), name
        made = ask(f"bake_{kind}", image, payload.decode())
        assert made is not None, name
        assert extract(base64.b64decode(made)).payload == payload, name


def test_both_find_the_same(ask: Ask) -> None:
    """Where both find a credential of Open Badges 3.0 in a picture of the other tests, it is the same one."""
    seen = 0
    for kind, forms in (("png", test_png.FORMS), ("svg", test_svg.FORMS)):
        for name, (image, *_) in forms.items():
            theirs, ours = ask(f"extract_{kind}", image), getattr(bake, f"extract_{kind}")(image)
            if theirs is not None:
                assert ours.payload == theirs.encode(), name
                seen += 1
    assert seen
