"""The programs that look at deploy/: from the environment that `make check-deploy` makes, or from PATH."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from scimsrv import assets

ROOT: Final = Path(str(assets.ROOT))
DEPLOY: Final = ROOT / "deploy"

_PROGRAMS: Final = ROOT / ".venv-deploy" / "bin"


def found(name: str) -> str:
    """The path of a program; the test is skipped, by name, where there is none."""
    path = shutil.which(name, path=str(_PROGRAMS)) or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def run(name: str, *arguments: str | Path, given: str | None = None, cwd: Path = DEPLOY) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [found(name), *map(str, arguments)], input=given, cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


def render(values: dict[str, Any], *flags: str) -> Any:
    """What Helm makes of the chart with these values: the objects, or with --lint what is wrong. Raises RuntimeError with Helm's words."""
    if not (_PROGRAMS / "python").exists():
        pytest.skip("helm-python-sdk is not installed")
    done = subprocess.run(
        [_PROGRAMS / "python", DEPLOY / "render.py", "--values", json.dumps(values), *flags],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def validate(objects: str, *versions: str) -> str:
    """What Kubernetes' own schemas say of manifests, in the oldest and the newest version that the chart is for; empty when all is well."""
    said = ""
    for version in versions or ("1.30", "1.37"):
        done = run("kubernetes-validate", "--strict", "--no-warn", "--quiet", "-k", version, "-", given=objects)
        said += (done.stdout + done.stderr) if done.returncode else ""
    return said
