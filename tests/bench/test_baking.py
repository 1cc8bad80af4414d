"""The bench of baking: its picture, its verdicts, and that it runs. No timing decides."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.baking.__main__ import BARS, Bar, main
from bench.baking.picture import BYTES, credential, picture
from scimsrv.badges import bake


def test_the_picture_is_a_badge_of_its_size() -> None:
    """The picture is valid, within 5 % of 84 kB and the same each time; the credential is a compact JWS."""
    image = picture()
    assert abs(len(image) - BYTES) < BYTES / 20
    assert image == picture()
    found = bake.extract_png(bake.bake_png(image, credential()), strict=True)
    assert found is not None
    assert (found.payload, found.content) == (credential(), "jws")


def test_bars_read_in_their_direction() -> None:
    """A ratio must not exceed its goal or must reach it, a difference is microseconds, the best rounds count."""
    figures = {"a": [3_000.0, 2_000.0], "b": [1_000.0, 4_000.0]}
    assert Bar("", "a", "b", 2.0).figure(figures) == 2.0
    assert Bar("", "a", "b", None, at_least=True).figure(figures) == 0.5
    assert Bar("", "a", "b", None, difference=True).figure(figures) == 1.0
    assert [Bar("", "a", "b", 2.0).met(one) for one in (1.9, 2.0, 2.1)] == [True, True, False]
    assert [Bar("", "a", "b", 2.0, at_least=True).met(one) for one in (1.9, 2.0)] == [False, True]
    assert Bar("", "a", "b", None).met(1.0) is None


@pytest.mark.skipif(bake.IMPLEMENTATION != "rust" or shutil.which("cargo") is None, reason="needs the Rust package and cargo")
def test_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One round without peers prints a line per side and per bar, and the figures as JSON."""
    assert main(["--rounds", "1", "--no-peers", "--json", str(tmp_path / "baking.json")]) == 0
    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "baking.json").read_text())
    assert all(side in printed for side in written["nanoseconds"])
    assert [bar["title"] for bar in written["bars"]] == [bar.title for bar in BARS if bar.title in printed]
    assert all(bar["figure"] is not None for bar in written["bars"])
