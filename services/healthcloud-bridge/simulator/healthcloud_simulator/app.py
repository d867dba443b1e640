"""The HTTP API of the stand-in. People declare through the app; city systems query with a key."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta, timezone
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from healthcloud_simulator.faults import Faults, FaultSwitch
from healthcloud_simulator.store import Record, Store

BEIJING_TIME = timezone(timedelta(hours=8))

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
FilledIn = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Form(BaseModel):
    """来沪人员健康登记, as the app sends it. Nothing is checked but that the required fields are there."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    姓名: FilledIn
    证件类型: Text = "居民身份证"
    证件号码: FilledIn
    手机号: Text = ""
    上报地址: FilledIn
    上报时间: FilledIn
    体温: Text = ""
    健康状况: Text = ""
    出行时间: Text = ""
    出行方式: Text = ""
    是否湖北出发: Text = "否"
    是否武汉出发: Text = "否"
    是否经停: Text = "否"
    停留地点: Text = ""
    居住地址: Text = ""
    填报渠道: Text = "健康云APP"
    与本人关系: Text = "本人"


class Query(BaseModel):
    """Who is asked about. The name is for the log of the authority that asks; records are found by number."""

    model_config = ConfigDict(extra="forbid")

    证件类型: Text = ""
    证件号码: Text
    姓名: Text


class QueryResult(BaseModel):
    """Everything that was ever declared for this number, oldest first. Empty: nothing."""

    登记记录: list[Record]


def create_app(store: Store, *, api_key: str) -> FastAPI:
    app = FastAPI(title="健康云 (simulator)", telemetry={"auto_configure": False})
    switch = FaultSwitch()

    @app.post("/declarations", status_code=201)
    async def declare(form: Form, response: Response) -> Record:
        """A person declares, or somebody for them."""
        submitted_at = datetime.now(BEIJING_TIME).strftime("%Y-%m-%d %H:%M:%S")
        record, is_new = store.add(form.model_dump(), submitted_at=submitted_at)
        if not is_new:
            response.status_code = 200
        return record

    @app.post("/query")
    async def query(query: Query, x_api_key: Annotated[str, Header()] = "") -> QueryResult:
        """What was declared for a document number."""
        if (status := await switch.suffer()) is not None:
            raise HTTPException(status)
        if not secrets.compare_digest(x_api_key.encode(), api_key.encode()):
            raise HTTPException(401)
        return QueryResult(登记记录=store.of(query.证件号码))

    @app.post("/faults")
    async def misbehave(faults: Faults) -> Faults:
        """Misbehave from now on. An empty object: no more."""
        switch.faults = faults
        return faults

    @app.get("/readyz")
    async def ready() -> dict[str, bool]:
        """For whoever starts the process."""
        return {"ready": True}

    return app
