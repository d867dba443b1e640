from __future__ import annotations

import pytest

from chassis.preferences import WAIT_S_MAX, preferred_wait_s


class TestPreferredWait:
    @pytest.mark.parametrize(
        ("prefer", "seconds"),
        [
            ("wait=3", 3),
            ("wait=0", 0),
            ('respond-async, Wait="2"; strict', 2),
            (" wait = 4 , wait=1", 4),
            (f"wait={WAIT_S_MAX + 1}", WAIT_S_MAX),
            ("wait=86400", WAIT_S_MAX),
        ],
    )
    def test_is_the_first_one_within_the_bound(self, prefer: str, seconds: int) -> None:
        assert seconds == preferred_wait_s(prefer)

    @pytest.mark.parametrize(
        "prefer", [None, "", "return=minimal", "waits=3", "wait", "wait=", "wait=-1", "wait=1.5", "wait=x", "wait=٣"]
    )
    def test_that_cannot_be_read_is_passed_over(self, prefer: str | None) -> None:
        assert preferred_wait_s(prefer) is None
