"""`python -m chassis watch-disks`: how much room is left on the disks that an installation's volumes are on.

Every folder in a folder is a volume. Its file system is asked how full it is, which takes no right to look into it; volumes on one
disk are told together.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import Gauge

from chassis.measuring import LabelledGauge, Measure
from chassis.runner import serve_until
from chassis.server import serve
from chassis.web import create_app

LOOK_EVERY_S = 30.0
SIZE = Gauge("gatehouse_disk_bytes", "Size of the disk that these volumes are on.", ["volumes"])
AVAILABLE = Gauge("gatehouse_disk_available_bytes", "What is left of it for whoever is not root.", ["volumes"])


@dataclass(frozen=True)
class Disks:
    """Those that the volumes in a folder are on."""

    folder: Path
    _size: LabelledGauge = field(default_factory=lambda: LabelledGauge(SIZE))
    _available: LabelledGauge = field(default_factory=lambda: LabelledGauge(AVAILABLE))

    async def look(self) -> None:
        """Tell of each as metrics, by the names of its volumes."""
        volumes: defaultdict[int, list[Path]] = defaultdict(list)
        for volume in sorted(self.folder.iterdir()):
            volumes[volume.stat().st_dev].append(volume)
        found = {(",".join(each.name for each in some),): os.statvfs(some[0]) for some in volumes.values()}
        self._size.tell({names: float(disk.f_blocks * disk.f_frsize) for names, disk in found.items()})
        self._available.tell({names: float(disk.f_bavail * disk.f_frsize) for names, disk in found.items()})


async def watch(folder: Path, *, host: str, port: int) -> None:
    """Answer probes and metrics until told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = create_app(service="disks", title="How full the disks are", routers=[], authenticator=None)
    looking = Measure("disks", Disks(folder).look, LOOK_EVERY_S)
    await serve_until(stop, serve(app, host=host, port=port), work=[looking.keep()], beside=[], drain_s=0.0)
