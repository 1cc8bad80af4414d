"""Renders the Helm chart, and from it the plain manifests of deploy/kustomize; run by `make manifests` and by the tests.

Needs the packages of deploy/locks/tools.lock: the chart is rendered by Helm's own engine, which one of them brings.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import helm_python
import yaml

DEPLOY = Path(__file__).resolve().parent
CHART = DEPLOY / "helm" / "scimsrv"
KUSTOMIZE = DEPLOY / "kustomize"

_HEAD = "# Rendered from deploy/helm/scimsrv by `make manifests`; changes belong there.\n"
_OPERATOR = "monitoring.coreos.com/"
_PLAIN = {
    "publicUrl": "https://scim.example.com",
    "migration": {"hook": False},
    "monitoring": {"serviceMonitor": True, "prometheusRule": True},
}


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects that the chart makes of these values, in a fixed order."""
    with helm_python.Chart.load(str(CHART)) as chart:
        chart.validate_schema(values)
        rendered = chart.render(values, name="scimsrv", namespace="scimsrv")
    found = [one for path, text in sorted(rendered.items()) if path.endswith(".yaml") for one in yaml.safe_load_all(text) if one]
    return sorted(found, key=lambda one: (one["kind"], one["metadata"]["name"]))


def plain() -> dict[Path, str]:
    """What deploy/kustomize and the chart hold of other files' content, by path."""
    rules = {CHART / "files" / one.name: one.read_text() for name in ("alerts", "rules") for one in (DEPLOY / "mixin").glob(f"{name}.yaml")}
    objects = render(_PLAIN)
    return rules | {
        KUSTOMIZE / "base" / "scimsrv.yaml": _dumped(one for one in objects if not one["apiVersion"].startswith(_OPERATOR)),
        KUSTOMIZE / "monitoring" / "monitoring.yaml": _dumped(one for one in objects if one["apiVersion"].startswith(_OPERATOR)),
    }


def lint(values: dict[str, Any]) -> list[str]:
    """What Helm finds wrong with the chart."""
    report = helm_python.lint(str(CHART), values, strict=True)
    # 1 stands for remarks, such as that a chart could have an icon.
    return [f"{one['path']}: {one['error']}" for one in report["messages"] if one["severity"] > 1] + report["errors"]


def _dumped(objects: Any) -> str:
    return _HEAD + yaml.safe_dump_all(objects, sort_keys=False, width=140)


def main() -> int:
    """Write the plain manifests, or print what is asked for as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=json.loads, help="print the objects of these values (JSON) instead")
    parser.add_argument("--lint", action="store_true", help="with --values: print what is wrong with the chart instead")
    parser.add_argument("--check", action="store_true", help="print which files are out of date, and write none")
    arguments = parser.parse_args()
    if arguments.values is not None:
        json.dump(lint(arguments.values) if arguments.lint else render(arguments.values), sys.stdout)
        return 0
    stale = [path for path, text in plain().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(path.relative_to(DEPLOY.parent))
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(plain()[path])
    if stale and not arguments.check:
        # The rules that were copied into the chart are rendered with it.
        for path, text in plain().items():
            path.write_text(text)
    return int(bool(stale) and arguments.check)


if __name__ == "__main__":
    raise SystemExit(main())
