"""Command line: python -m conformance BASE_URL --token T [--admin-token T] [--only TAG ...] [--json FILE] [--list]."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from conformance.registry import selected
from conformance.report import print_report
from conformance.runner import load_checks, run


def main(argv: list[str] | None = None) -> int:
    """Run the checks; exit code 0 when none failed, 1 when one did, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance",
        description="Check a SCIM 2.0 server against RFC 7643/7644, captured Entra ID and Okta exchanges and known defects.",
        epilog="example: python -m conformance http://127.0.0.1:8080/scim/demo/v2 --token scs_... --only patch --only entra",
    )
    parser.add_argument("base_url", metavar="BASE_URL", help="base URL of the tenant, e.g. https://host/scim/acme/v2")
    parser.add_argument("--token", help="bearer token (or the environment variable SCIM_TOKEN)")
    parser.add_argument("--admin-token", help="bearer token that may change schemas and resource types (or SCIM_ADMIN_TOKEN)")
    parser.add_argument("--only", action="append", default=[], metavar="TAG", help="only checks with this id or tag (repeatable)")
    parser.add_argument("--list", action="store_true", help="list ids, tags and claims, and run nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every verdict as JSON")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="checks run at the same time (default 1)")
    options = parser.parse_args(argv)
    load_checks()
    checks = list(selected(options.only))
    if not checks:
        parser.error(f"no check has the id or tag {', '.join(options.only)}")
    if options.list:
        for check in checks:
            print(f"{check.id:24} {check.level:10} {','.join(sorted(check.tags)):28} {check.claim}")
        return 0
    token = options.token or os.environ.get("SCIM_TOKEN")
    if not token:
        parser.error("--token or SCIM_TOKEN is needed")
    admin_token = options.admin_token or os.environ.get("SCIM_ADMIN_TOKEN")
    results = run(checks, options.base_url, token, admin_token=admin_token, jobs=options.jobs)
    if options.json:
        options.json.write_text(json.dumps([result.as_json() for result in results], indent=1))
    return print_report(results)


if __name__ == "__main__":
    sys.exit(main())
