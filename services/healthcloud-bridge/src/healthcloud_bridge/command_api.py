"""获取健康云信息 over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import Depends
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.problems import MEDIA_TYPE, preferred_language, problem_response
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import Router, etag, problems
from contracts.access import Action
from contracts.healthcloud_bridge import LookUpPurpose
from contracts.identity import Document, PersonName
from contracts.rejection import Rejection
from healthcloud_bridge.translation import Declared
from healthcloud_bridge.wired import Wired, wired

router = Router(prefix="/v1", tags=["declarations"])

Registrar = Annotated[Principal, Depends(allowed(Action.LOOK_UP_DECLARATION))]
Parts = Annotated[Wired, Depends(wired)]


class DeclarationIsMissing(Rejection):
    """The person has not declared in Health Cloud (manual, (三) 2).

    Also the answer where somebody of another name has: whoever tries numbers does not learn which of them have declared.
    """

    code = "declaration-missing"
    status = 404
    title_zh = "请先去“健康云 APP”进行登记后再进行预进场登记"
    title_en = "Declare in the Health Cloud app first, then pre-register"


WAY_TO_HEALTH_CLOUD = {
    "zh": "打开“健康云”APP,“所在地区”选择“上海” → 抗击新型冠状病毒防控服务专栏 → 来沪人员健康登记;"
    "或在微信公众号“上海健康云”的相应模块登记。已登记的,请核对证件号码和姓名。",
    "en": "In the app 健康云 choose the area 上海, then 抗击新型冠状病毒防控服务专栏, then 来沪人员健康登记; or use the WeChat "
    "account 上海健康云. Where this was done: compare number and name.",
}
"""Manual, 二 (一)."""


class LookupBody(StrictModel):
    """个人信息, as typed. In the body: neither may stand in an address."""

    document: Document
    name: PersonName
    purpose: LookUpPurpose
    """What it is needed for. On record, with who asked."""


class DeclarationAnswer(BaseModel):
    """健康云返回信息."""

    person_id: UUID
    declaration_version: int
    """What a pre-registration names, so that it relies on what the registrar saw."""
    reported_on: date
    """上报时间."""
    report_place: str
    """上报地址."""
    temperature_celsius: float | None
    """体温."""
    health_text: str
    """健康状况."""
    departed_on: date | None
    """出行时间."""
    travel: str
    """出行方式."""
    from_hubei: bool
    """是否湖北出发."""
    from_wuhan: bool
    """是否武汉出发."""
    stopover: bool
    """是否经停."""
    stopover_place: str | None
    """停留地点."""
    stopover_code: str | None
    """停留地点 as far as it was recognised (GB/T 2260)."""
    stay_address: str
    """居住地址."""
    mobile: str | None
    """手机号. None: the registrar has to type it."""
    contradictions: tuple[str, ...]
    """What does not agree within the declaration."""
    channel: str
    relation: str


@router.post("/declaration-lookups", response_model=DeclarationAnswer, responses=problems(DeclarationIsMissing))
async def look_up_declaration(
    body: LookupBody, caller: Registrar, parts: Parts, request: Request, response: Response
) -> DeclarationAnswer | Response:
    """获取健康云信息: the latest declaration of this person, fetched now. What is new of it is kept.

    Every look-up that Health Cloud answers is on record in the person's stream. Each counts against what the account may ask in
    an hour: 429 beyond.
    """
    await parts.quota.take(caller.subject)
    declared = await parts.receiving.ask(body.document, name=body.name)
    (person_id,) = await parts.identities.identify([body.document])
    received = await parts.receiving.look_up(person_id, declared, name=body.name, account=caller.subject, purpose=body.purpose)
    if received is None:
        return _declaration_is_missing(request)
    response.headers["ETag"] = etag(received.stream_version)
    if received.token is not None:
        response.headers[CONSISTENCY_TOKEN] = str(received.token)
    return _answer(person_id, received.version, declared[-1])


def _declaration_is_missing(request: Request) -> Response:
    """The refusal, and the way to where one declares."""
    language = request.headers.get("accept-language")
    refusal = problem_response(DeclarationIsMissing(), accept_language=language, trace_id=request_context().trace_id)
    document = orjson.loads(refusal.body) | {"detail": WAY_TO_HEALTH_CLOUD[preferred_language(language)]}
    headers = {name: refusal.headers[name] for name in ("Content-Language", "Vary")}
    return Response(orjson.dumps(document), status_code=refusal.status_code, media_type=MEDIA_TYPE, headers=headers)


def _answer(person_id: UUID, version: int, declared: Declared) -> DeclarationAnswer:
    return DeclarationAnswer(
        person_id=person_id,
        declaration_version=version,
        reported_on=declared.reported_on,
        report_place=declared.report_place,
        temperature_celsius=declared.temperature_celsius,
        health_text=declared.health_text,
        departed_on=declared.departed_on,
        travel=declared.travel,
        from_hubei=declared.from_hubei,
        from_wuhan=declared.from_wuhan,
        stopover=declared.stopover,
        stopover_place=declared.stopover_place,
        stopover_code=declared.stopover_code,
        stay_address=declared.stay_address,
        mobile=declared.mobile,
        contradictions=declared.contradictions,
        channel=declared.channel,
        relation=declared.relation,
    )
