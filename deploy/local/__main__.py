"""`python -m deploy.local`: install every server that tests and the stack start; quick where all is there."""

from __future__ import annotations

import sys

from deploy.local.servers import SERVERS
from deploy.local.service import NotInstalled


def main() -> None:
    """Install them, one after the other; exit 1 with one line at the first that cannot be."""
    try:
        for service in SERVERS.values():
            service.install()
    except NotInstalled as error:
        sys.exit(f"make servers: {error}")


if __name__ == "__main__":
    main()
