"""The list of what the server is made of."""

import json
import re
import subprocess

from tests.deploy.tools import DEPLOY, ROOT, found


def test_sbom() -> None:
    """`make sbom` makes a CycloneDX document with every package of the server's lock, its version and its hashes, and nothing else."""
    found("cyclonedx-py")
    subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True, timeout=300)
    document = json.loads((ROOT / "dist" / "scimsrv.cdx.json").read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["name"] == "scimsrv"
    pinned = set(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (DEPLOY / "locks" / "server.lock").read_text(), re.MULTILINE))
    assert {(one["name"], one["version"]) for one in document["components"]} == pinned
    for one in document["components"]:
        assert one["purl"].startswith(f"pkg:pypi/{one['name']}@{one['version']}")
        assert one["externalReferences"][0]["hashes"]
