"""The systemd units: accepted by systemd, closed, and with settings that are settings."""

import re
from pathlib import Path

import pytest

from scimsrv.settings import load_settings
from tests.deploy.tools import DEPLOY, run

UNITS = ["scimsrv.service", "scimsrv-migrate.service"]


@pytest.mark.parametrize("unit", UNITS)
def test_unit(unit: str, tmp_path: Path) -> None:
    """systemd understands every line, and finds little that the unit leaves open."""
    text = (DEPLOY / "systemd" / unit).read_text()
    # systemd looks whether the program is there, which it is on a machine that has the server.
    (tmp_path / unit).write_text(text.replace("ExecStart=/opt/scimsrv/bin/scimsrv", "ExecStart=/bin/true"))
    done = run("systemd-analyze", "verify", "--man=no", tmp_path / unit)
    assert (done.returncode, done.stderr) == (0, "")
    exposure = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", tmp_path / unit)
    assert exposure.returncode == 0, exposure.stdout
    (tmp_path / unit).write_text(text.replace("DynamicUser=yes", "DynamicUsr=yes"))
    assert "DynamicUsr" in run("systemd-analyze", "verify", "--man=no", tmp_path / unit).stderr


@pytest.mark.parametrize("unit", UNITS)
def test_settings(unit: str, tmp_path: Path) -> None:
    """What a unit sets is known to the server; each credential that it names is loaded."""
    text = (DEPLOY / "systemd" / unit).read_text()
    loaded = re.findall(r"^LoadCredential=([\w-]+):/etc/scimsrv/", text, re.MULTILINE)
    for name in loaded:
        (tmp_path / name).write_text("postgresql://scimsrv@database/scimsrv\n")
    given = dict(re.findall(r"\b(SCIMSRV_\w+)=(\S+)", text))
    assert sorted(re.findall(r"%d/([\w-]+)", text)) == sorted(loaded)
    settings = load_settings({}, {name: value.replace("%d", str(tmp_path)).replace("%S", "/var/lib") for name, value in given.items()})
    assert settings.database_url is not None
    if unit == "scimsrv.service":
        assert "Type=notify" in text
        assert settings.drain_seconds < int(re.findall(r"TimeoutStopSec=(\d+)", text)[0])


def test_the_metrics_of_the_process_are_there() -> None:
    """They are made from /proc/stat, among others, which ProcSubset=pid hides."""
    text = (DEPLOY / "systemd" / "scimsrv.service").read_text()
    assert "pid" not in re.findall(r"^ProcSubset=(\w+)", text, re.MULTILINE)
