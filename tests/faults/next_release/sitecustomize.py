"""Python imports this by itself where its folder is on the path: the process is of the next release."""

from tests.faults.next_release.told import bring

bring()
