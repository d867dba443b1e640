"""What the plainest service does with the same body: validate it, or validate it and insert one row.

`python -m bench.reference_app PORT` with `BENCH_DSN` and `GATEHOUSE_JWKS_URL` in the environment. Same framework, same token
check, same policy of the garbage collector, one process.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import ConfigDict

from chassis.auth import Authenticator
from registration.bodies import PreRegistrationBody


class PlainBody(PreRegistrationBody):
    """The same fields and rules, not strict: FastAPI validates what `json.loads` made, where a code is text and no enum yet."""

    model_config = ConfigDict(strict=False)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.authenticator = Authenticator(os.environ["GATEHOUSE_JWKS_URL"])
    app.state.pool = await asyncpg.create_pool(os.environ["BENCH_DSN"], min_size=8, max_size=8)
    await app.state.pool.execute("CREATE TABLE IF NOT EXISTS plain_body (key text PRIMARY KEY, body text NOT NULL)")
    gc.collect()
    gc.freeze()
    yield
    await app.state.pool.close()
    await app.state.authenticator.close()


app = FastAPI(lifespan=lifespan)


async def caller(authorization: Annotated[str, Header()]) -> str:
    if not authorization.startswith("Bearer "):
        raise HTTPException(401)
    return (await app.state.authenticator.authenticate(authorization.removeprefix("Bearer "))).subject  # type: ignore[no-any-return]


@app.post("/validate")
async def validate(body: PlainBody, _: Annotated[str, Depends(caller)]) -> dict[str, str]:
    return {"employer": body.employer_credit_code}


@app.post("/insert")
async def insert(body: PlainBody, _: Annotated[str, Depends(caller)], idempotency_key: Annotated[str, Header()]) -> dict[str, str]:
    await app.state.pool.execute("INSERT INTO plain_body VALUES ($1, $2)", idempotency_key, body.model_dump_json())
    return {"employer": body.employer_credit_code}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
