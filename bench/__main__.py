"""`python -m bench [NAME …]`: all measurements, or those named."""

from __future__ import annotations

import importlib
import logging
import sys

import uvloop

from bench.place import place
from bench.table import HEADER, printed

MEASUREMENTS = (
    "store",
    "relay",
    "projector",
    "rebuild",
    "restore",
    "restore_apart",
    "supervision",
    "pages",
    "rehearsal",
    "imports",
    "services",
    "overload",
)


async def main(names: list[str]) -> None:
    async with place() as here:
        print(f"fdatasync: {here.fdatasyncs_per_second():,.0f}/s", HEADER, sep="\n", flush=True)
        for name in names or MEASUREMENTS:
            for row in await importlib.import_module(f"bench.{name}").measure(here):
                print(printed(row), flush=True)


# The table is the output. What goes wrong is raised; what libraries say of migrations and of producers that are stopped is not.
logging.disable(logging.ERROR)
uvloop.run(main(sys.argv[1:]))
