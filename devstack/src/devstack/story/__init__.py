"""The manual's example as a newcomer sees it. Read `play.py` first: it is the story, step by step.

`cast.py` who appears in it · `callers.py` how they call the APIs · `table.py` what must come out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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

Issue = Callable[[Account], Awaitable[tuple[str, float]]]
"""A fresh access token of an account, and its life in seconds."""


async def play(stack: Stack, say: Say) -> list[str]:
    """Play the story on a local stack, whose accounts are made as they are needed. See `play_at`."""
    urls = {program.package.replace("_", "-"): stack.url(program.package) for program in PROGRAMS}
    return await play_at(urls, lambda account: token(stack.portal, stack.state, account), say)


async def play_at(urls: Mapping[str, str], issue: Issue, say: Say) -> list[str]:
    """Play the story, or see that it was played. What differs from the manual's table, a sentence each.

    `urls` says where each service is, by name. Raises: story.callers.Unexpected, TimeoutError; what was done until then stays done.
    """
    async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:

        def caller(account: Account) -> Caller:
            return Caller(client, lambda: issue(account), urls)

        cast = Cast(
            contract_system=caller(Account("contract_system")),
            operator=caller(Account("site_operator", contracts=BOTH)),
            supervision=caller(Account("supervision_operator", contracts=BOTH)),
            turnstile=caller(Account("gate_device", contracts=BOTH)),
            city=caller(Account("city_supervisor")),
            police=caller(Account("police_subscriber", districts=("310115", "310109"))),
        )
        story = Story(cast, client, urls["healthcloud-simulator"], say, shanghai_date(datetime.now(UTC)))
        return await story.play()
