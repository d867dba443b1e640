"""`python -m chassis migrate-keys | provision-brokers | reindex-documents | rewrap-keys | watch-disks`: what belongs to no service.

Each service migrates its own database (`python -m <package> migrate`). The key server and the brokers are everybody's.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from chassis.installation import COMMANDS, InstallationSettings

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m chassis", description="Does what belongs to no service.")
    parser.add_argument("command", choices=sorted(COMMANDS))
    given = parser.parse_args()
    sys.exit(asyncio.run(COMMANDS[given.command](InstallationSettings())))
