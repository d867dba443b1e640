"""How far the log reaches, as the gate asks it."""

from __future__ import annotations

from chassis.internal_api import ShardHeadsAnswer
from chassis.probes import SHARD_HEADS_PATH
from chassis.shard_heads import read_shard
from contracts.access import Role
from contracts.event import shard_of
from tests.in_process import Caller
from tests.registration.asking import form, path, person_id
from tests.registration.service import Running
from tests.registration.test_erasing_everybody import incomplete_log

HEAD = "SELECT event_id FROM event JOIN shard_head USING (shard) WHERE shard = $1 AND pos = last_pos"


class TestShardHeads:
    async def test_tell_which_event_stands_at_each(self, running: Running, contract_no: str, operator: Caller) -> None:
        await operator.post(path(contract_no), form(0))
        shard = shard_of(await person_id(running, 0))
        told = ShardHeadsAnswer.model_validate_json((await operator.get(SHARD_HEADS_PATH)).content)
        assert told.head_ids is not None
        assert await running.wired.pool.fetchval(HEAD, shard) == told.head_ids[shard]
        assert [pos > 0 for pos in told.heads] == [event_id is not None for event_id in told.head_ids]
        async with running.wired.pool.acquire() as connection:
            last = (await read_shard(connection, shard, after=told.heads[shard] - 1))[-1]
        assert told.head_digests is not None
        assert last.digest.hex() == told.head_digests[shard], "as its readers make it of what Kafka gives them"

    async def test_are_not_told_while_the_log_is_closed(self, running: Running, postgres_dsn: str) -> None:
        """Who has taken in all of it may still lack what it lacks."""
        caller = running.caller(Role.CITY_SUPERVISOR)
        async with incomplete_log(running, postgres_dsn):
            refused = await caller.get(SHARD_HEADS_PATH)
        assert (503, "unavailable") == (refused.status_code, refused.json()["code"])
        assert 200 == (await caller.get(SHARD_HEADS_PATH)).status_code
