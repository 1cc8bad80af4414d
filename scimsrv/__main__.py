"""The command line: `python -m scimsrv` is the same as `scimsrv`."""

import sys

from scimsrv.cli import main

if __name__ == "__main__":
    sys.exit(main())
