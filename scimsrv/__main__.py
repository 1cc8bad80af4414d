"""The command line: `python -m scimsrv` is the same as `scimsrv`."""

import sys

from scimsrv import hangup


def main() -> int:
    """Run one command and return its exit code. A server that is told to read its configuration again while the program is loaded, which
    takes a second or two, goes on."""
    if sys.argv[1:2] == ["serve"]:
        hangup.keep_from_now()
    from scimsrv import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
