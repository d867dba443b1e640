"""What is answered where a form was refused for want of a declaration, and is kept: a refusal that says the way."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.consistency import ConsistencyToken
from chassis.problems import MEDIA_TYPE, preferred_language, problem_response
from chassis.telemetry import request_context
from contracts.rejection import Rejection
from registration.domain.declaration import DeclarationIsMissing, NameDiffersFromDeclaration
from registration.domain.lacking import WaitsFor

WAY_TO_HEALTH_CLOUD = {
    "zh": "打开“健康云”APP,“所在地区”选择“上海” → 抗击新型冠状病毒防控服务专栏 → 来沪人员健康登记;"
    "或在微信公众号“上海健康云”的相应模块登记。登记后预登记自动完成。",
    "en": "In the app 健康云 choose the area 上海, then 抗击新型冠状病毒防控服务专栏, then 来沪人员健康登记; or use the WeChat "
    "account 上海健康云. The form is kept and taken up by itself once the declaration is there.",
}
"""Manual, (二) 1."""
WAY_TO_ONE_NAME = {
    "zh": "表单已保留。请核对证件上的姓名后重新提交;若“健康云”登记的姓名有误,请本人更正登记,更正后预登记自动完成。",
    "en": "The form is kept. Check the name on the document and hand it in again; if the declaration is wrong, have it put "
    "right in Health Cloud: then the form is taken up by itself.",
}


def kept(request: Request, lacks: WaitsFor | None, token: ConsistencyToken | None) -> Response:
    """A refusal that was stored: it has a position, and says what to do."""
    refused_for: tuple[Rejection, Mapping[str, str]] = (DeclarationIsMissing(), WAY_TO_HEALTH_CLOUD)
    if lacks is WaitsFor.AGREEING_NAME:
        refused_for = NameDiffersFromDeclaration(), WAY_TO_ONE_NAME
    rejection, way = refused_for
    language = request.headers.get("accept-language")
    refusal = problem_response(rejection, accept_language=language, trace_id=request_context().trace_id)
    document = orjson.loads(refusal.body) | {"detail": way[preferred_language(language)]}
    headers = {name: refusal.headers[name] for name in ("Content-Language", "Vary")}
    if token is not None:
        headers[CONSISTENCY_TOKEN] = str(token)
    return Response(orjson.dumps(document), status_code=refusal.status_code, media_type=MEDIA_TYPE, headers=headers)
