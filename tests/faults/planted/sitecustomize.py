"""Python imports this by itself where its folder is on the path: it plants the fault that `PLANTED` names into the process."""

import os

from tests.faults.planted.plants import PLANTS

PLANTS[os.environ["PLANTED"]]()
