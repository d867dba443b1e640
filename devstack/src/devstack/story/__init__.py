"""The manual's example as a newcomer sees it. Read `play.py` first: it is the story, step by step.

`cast.py` who appears in it · `callers.py` how they call the APIs · `table.py` what must come out.
"""

from __future__ import annotations

from datetime import UTC, datetime

import httpx2

from contracts.times import shanghai_date
from devstack.parts import Say
from devstack.services import PROGRAMS, Stack
from devstack.story.callers import Caller
from devstack.story.cast import HONGKOU, PUDONG
from devstack.story.play import Cast, Story
from devstack.tokens import Account, token

TIMEOUT_S = 15.0
BOTH = (PUDONG, HONGKOU)


async def play(stack: Stack, say: Say) -> list[str]:
    """Play the story, or see that it was played. What differs from the manual's table, a sentence each.

    Raises: story.callers.Unexpected, TimeoutError; what was done until then stays done.
    """
    urls = {program.package.replace("_", "-"): stack.url(program.package) for program in PROGRAMS}
    async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:

        def caller(account: Account) -> Caller:
            return Caller(client, lambda: token(stack.portal, stack.state, account), urls)

        cast = Cast(
            contract_system=caller(Account("contract_system")),
            operator=caller(Account("site_operator", contracts=BOTH)),
            supervision=caller(Account("supervision_operator", contracts=BOTH)),
            turnstile=caller(Account("gate_device", contracts=BOTH)),
            city=caller(Account("city_supervisor")),
            police=caller(Account("police_subscriber", districts=("310115", "310109"))),
        )
        story = Story(cast, client, stack.url("healthcloud_simulator"), say, shanghai_date(datetime.now(UTC)))
        return await story.play()
