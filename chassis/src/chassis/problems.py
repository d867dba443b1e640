"""Error answers: RFC 9457 problem documents, in Chinese or English.

    {"type": "/problems/not-found", "title": "…", "status": 404, "code": "not-found", "trace_id": "…",
     "errors": [{"in": "body", "pointer": "/person/name", "code": "missing"}]}

`code` and `type` are for programs and never change; `title` is for people, in the language that `Accept-Language` asks
for (Chinese unless told otherwise). Nothing of the request is echoed: a pointer names only fields of our own schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import orjson
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class ProblemType(Protocol):
    """What makes a problem: a `Problem` here, or a `contracts.rejection.Rejection`."""

    @property
    def code(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def title_zh(self) -> str: ...
    @property
    def title_en(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of error answer that no rule of the business gives."""

    code: str
    status: int
    title_zh: str
    title_en: str


BAD_REQUEST = Problem("bad-request", 400, "请求无法识别", "The request cannot be understood")
MALFORMED_JSON = Problem("malformed-json", 400, "请求正文不是有效的 JSON", "The body is not valid JSON")
IDEMPOTENCY_KEY_MISSING = Problem(
    "idempotency-key-missing", 400, "缺少请求头 Idempotency-Key", "The header Idempotency-Key is missing"
)
IDEMPOTENCY_KEY_MALFORMED = Problem(
    "idempotency-key-malformed",
    400,
    "请求头 Idempotency-Key 应为 1 至 128 个可见 ASCII 字符",
    "Idempotency-Key takes 1 to 128 visible ASCII characters",
)
IDEMPOTENCY_KEY_NAMES_SOMEBODY = Problem(
    "idempotency-key-names-somebody",
    400,
    "请求头 Idempotency-Key 不得含有身份证号或手机号",
    "Idempotency-Key cannot hold an identity number or a mobile",
)
IF_MATCH_MALFORMED = Problem(
    "if-match-malformed", 400, '请求头 If-Match 应为 "<版本号>"', 'If-Match takes one version: "<version>"'
)
CONSISTENCY_TOKEN_MALFORMED = Problem(
    "consistency-token-malformed", 400, "请求头 Consistency-Token 格式不正确", "The header Consistency-Token is not a token of ours"
)
UNAUTHENTICATED = Problem("unauthenticated", 401, "未登录或登录已失效", "A valid token is needed")
FORBIDDEN = Problem("forbidden", 403, "没有此项操作的权限", "Your role does not allow this")
NOT_FOUND = Problem("not-found", 404, "未找到", "Not found")
METHOD_NOT_ALLOWED = Problem("method-not-allowed", 405, "不支持该请求方法", "This resource does not take that method")
READ_TIMED_OUT = Problem("read-timed-out", 408, "接收请求超时", "The request took too long to arrive")
VERSION_CONFLICT = Problem(
    "version-conflict", 409, "数据已被他人更新,请重试", "Somebody else changed this at the same time; try again"
)
VERSION_MISMATCH = Problem("version-mismatch", 412, "数据已被他人更新,请刷新后重试", "This is no longer the version that you saw")
BODY_TOO_LARGE = Problem("body-too-large", 413, "请求正文过大", "The body is too large")
UNSUPPORTED_MEDIA_TYPE = Problem("unsupported-media-type", 415, "不支持该内容类型", "The content type is not supported")
INVALID_REQUEST = Problem("invalid-request", 422, "填写内容不符合要求", "Some fields do not hold what they must")
IDEMPOTENCY_KEY_REUSED = Problem(
    "idempotency-key-reused", 422, "该 Idempotency-Key 已用于另一请求", "This Idempotency-Key was used for another request"
)
IF_MATCH_MISSING = Problem("if-match-missing", 428, "缺少请求头 If-Match", "The header If-Match is missing")
TOO_MANY_REQUESTS = Problem("too-many-requests", 429, "请求过于频繁,请稍后再试", "Too many requests; try again later")
HEADERS_TOO_LARGE = Problem("headers-too-large", 431, "请求头过大", "The request line or the headers are too large")
INTERNAL = Problem("internal", 500, "系统内部错误", "Something went wrong on our side")
UNAVAILABLE = Problem("unavailable", 503, "服务暂时不可用,请稍后再试", "The service cannot answer right now; try again later")

OF_STATUS: Final[Mapping[int, Problem]] = {
    problem.status: problem for problem in (BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED, BODY_TOO_LARGE)
}
"""What a status that the framework chose is called here."""


FieldError = Mapping[str, str]
"""One place of the request that does not hold what it must. Made by `field_error`."""

Part = Literal["body", "query", "path", "header"]


def field_error(part: Part, pointer: str, code: str) -> FieldError:
    """`pointer` is an RFC 6901 pointer into that part of the request; `code` says what is wrong with it."""
    return {"in": part, "pointer": pointer, "code": code}


class Refused(Exception):
    """A request that is turned away before any service code sees it."""

    def __init__(self, problem: Problem, *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.errors = errors
        self.headers = headers


def problem_response(
    problem: ProblemType,
    *,
    accept_language: str | None,
    trace_id: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for a problem."""
    language = preferred_language(accept_language)
    document: dict[str, Any] = {
        "type": type_of(problem),
        "title": problem.title_zh if language == "zh" else problem.title_en,
        "status": problem.status,
        "code": problem.code,
        "trace_id": trace_id,
    }
    if errors:
        document["errors"] = list(errors)
    language_headers = {"Content-Language": "zh-CN" if language == "zh" else "en", "Vary": "Accept-Language"}
    return Response(
        orjson.dumps(document), status_code=problem.status, media_type=MEDIA_TYPE, headers={**language_headers, **(headers or {})}
    )


def type_of(problem: ProblemType) -> str:
    """The problem's `type`: a URI reference, the same for ever."""
    return f"/problems/{problem.code}"


def preferred_language(accept_language: str | None) -> Literal["zh", "en"]:
    """English where the client ranks it above Chinese, else Chinese."""
    ranks = {"zh": 0.0, "en": 0.0}
    for part in (accept_language or "").lower().split(",")[:20]:
        tag, _, quality = part.strip().partition(";q=")
        language = tag.strip()[:2]
        if language in ranks:
            ranks[language] = max(ranks[language], _quality(quality))
    return "en" if ranks["en"] > ranks["zh"] else "zh"


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text))) if text else 1.0
    except ValueError:
        return 0.0


SCHEMA: Final[Mapping[str, Any]] = {
    "title": "Problem",
    "description": "An error answer (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "code", "trace_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Stable identifier of the kind of problem."},
        "title": {"type": "string", "description": "For people, in Chinese or English."},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "The last part of `type`. Programs branch on it."},
        "trace_id": {"type": "string", "description": "Names this request in the logs."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["in", "pointer", "code"],
                "properties": {
                    "in": {"type": "string", "enum": ["body", "query", "path", "header"]},
                    "pointer": {"type": "string", "description": "RFC 6901 pointer into that part of the request."},
                    "code": {"type": "string"},
                },
            },
        },
    },
}
"""The document's JSON Schema, for OpenAPI."""
