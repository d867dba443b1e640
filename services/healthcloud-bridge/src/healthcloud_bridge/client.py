"""Health Cloud's API: one query, with a bound on everything that its other end can make long, large or frequent."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Final

import httpx2
import structlog
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from chassis.admission import aside
from chassis.faults import Unavailable
from chassis.telemetry import request_context
from chassis.tracing import Doing, asking
from contracts.identity import Document, DocumentType
from healthcloud_bridge.circuit import Circuit, CircuitIsOpen

ATTEMPTS_MAX = 3
"""Of one query: a connection that fails, and an answer of 5xx, is tried again."""
PAUSE_S_MAX = 0.2
"""Before the second attempt; twice as long before the third. Each pause is a random part of it, so that many who fail
together do not come back together."""
CONNECT_S_MAX = 1.0
ANSWER_S_MAX = 2.0
"""Between two pieces of an answer. Whoever is that slow is not asked again: it would not make it faster."""
QUERY_S_MAX = 5.0
"""All attempts and pauses together."""
CONNECTIONS_MAX = 16
ANSWER_BYTES_MAX = 256 * 1024
SUBMISSIONS_MAX = 100
"""Declarations of one person."""
RETRY_AFTER_S = 5
"""What our own clients are told while Health Cloud does not answer."""

DOCUMENT_TYPES: Final[Mapping[DocumentType, str]] = MappingProxyType(
    {
        DocumentType.CITIZEN_ID: "居民身份证",
        DocumentType.HK_MACAU_PERMIT: "港澳居民来往内地通行证",
        DocumentType.TAIWAN_PERMIT: "台湾居民来往大陆通行证",
        DocumentType.PERMANENT_RESIDENCE: "外国人永久居留身份证",
        DocumentType.PASSPORT: "护照",
    }
)
"""Their words for ours."""

QUERIES = Counter(
    "gatehouse_healthcloud_queries_total",
    "What became of queries: answered, not_understood, failed, or refused by our circuit.",
    ["outcome"],
)
QUERY_SECONDS = Histogram(
    "gatehouse_healthcloud_query_seconds",
    "Of a query that was sent, with all its attempts.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)

log = structlog.get_logger()

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


class HealthCloudUnavailable(Unavailable):
    """Health Cloud cannot be reached, fails, is too slow, or says what nobody understands; or it is left alone for a while."""

    def __init__(self, *, retry_after_s: int = RETRY_AFTER_S) -> None:
        super().__init__(retry_after_s=retry_after_s)


class AnswerNotUnderstood(HealthCloudUnavailable):
    """Health Cloud answered about this person, and not in a way that can be read. It may well answer about others."""


class Submission(BaseModel):
    """One declaration, field by field as the form 来沪人员健康登记 has it. Whatever is missing is empty."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True, hide_input_in_errors=True)

    number: Text = Field("", alias="登记编号")
    name: Text = Field("", alias="姓名", repr=False)
    mobile: Text = Field("", alias="手机号", repr=False)
    report_place: Text = Field("", alias="上报地址", repr=False)
    reported_on: Text = Field("", alias="上报时间")
    temperature: Text = Field("", alias="体温", repr=False)
    health: Text = Field("", alias="健康状况", repr=False)
    departed_on: Text = Field("", alias="出行时间")
    travel: Text = Field("", alias="出行方式", repr=False)
    from_hubei: Text = Field("", alias="是否湖北出发")
    from_wuhan: Text = Field("", alias="是否武汉出发")
    stopover: Text = Field("", alias="是否经停")
    stopover_place: Text = Field("", alias="停留地点", repr=False)
    stay_address: Text = Field("", alias="居住地址", repr=False)
    channel: Text = Field("", alias="填报渠道")
    relation: Text = Field("", alias="与本人关系")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    submissions: Annotated[list[Submission], Field(alias="登记记录", max_length=SUBMISSIONS_MAX)]


class _TryAgain(Exception):
    """The attempt failed in a way that another one may not."""


class _NotAnswered(Exception):
    """All attempts failed, or there is no use in another."""


class HealthCloud:
    """Asks Health Cloud. One per process; it keeps its connections."""

    def __init__(self, base_url: str, *, api_key: str) -> None:
        self.circuit = Circuit()
        self._client = httpx2.AsyncClient(
            base_url=base_url,
            headers={"X-API-Key": api_key},
            timeout=httpx2.Timeout(ANSWER_S_MAX, connect=CONNECT_S_MAX),
            limits=httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
            trust_env=False,
        )

    async def submissions(self, document: Document, *, name: str) -> Sequence[Submission]:
        """Everything that was declared for this document, oldest first. Raises: HealthCloudUnavailable."""
        query = {"证件类型": DOCUMENT_TYPES[document.type], "证件号码": _their_number(document), "姓名": name}
        try:
            with self.circuit.attempt(failure=_NotAnswered), QUERY_SECONDS.time():
                answer = _Answer.model_validate_json(await self._patiently(query))
        except CircuitIsOpen as refused:
            QUERIES.labels("refused").inc()
            raise HealthCloudUnavailable(retry_after_s=math.ceil(refused.retry_after_s)) from None
        except _NotAnswered as failed:
            QUERIES.labels("failed").inc()
            log.warning("healthcloud.not_answered", error_type=type(failed.__cause__).__name__)
            raise HealthCloudUnavailable from None
        except (httpx2.DecodingError, ValidationError) as error:
            QUERIES.labels("not_understood").inc()
            log.error("healthcloud.answer_not_understood", error_type=type(error).__name__)
            raise AnswerNotUnderstood from None
        QUERIES.labels("answered").inc()
        return answer.submissions

    async def keep(self) -> None:
        """Keep the connections until cancelled, then close them."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._client.aclose()

    async def _patiently(self, query: Mapping[str, str]) -> bytes:
        """The answer, however many attempts it takes. Raises: _NotAnswered; httpx2.DecodingError."""
        try:
            with aside():
                async with asyncio.timeout(QUERY_S_MAX):
                    return await self._several_times(query)
        except httpx2.DecodingError:
            raise
        except (httpx2.HTTPError, TimeoutError, _TryAgain) as error:
            raise _NotAnswered from error

    async def _several_times(self, query: Mapping[str, str]) -> bytes:
        pause_s = PAUSE_S_MAX
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                return await self._once(query)
            except _TryAgain:
                await asyncio.sleep(random.uniform(0, pause_s))  # noqa: S311 - jitter
                pause_s *= 2
        return await self._once(query)

    async def _once(self, query: Mapping[str, str]) -> bytes:
        # A span of ours; they are not told of the trace.
        with asking("POST", "health-cloud", request_context().traceparent) as doing:
            return await self._asked(query, doing)

    async def _asked(self, query: Mapping[str, str], doing: Doing) -> bytes:
        try:
            async with self._client.stream("POST", "/query", json=query) as response:
                doing.answered(response.status_code)
                if response.status_code >= 500:
                    raise _TryAgain
                response.raise_for_status()
                return await _bounded(response)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
            raise _TryAgain from None


async def _bounded(response: httpx2.Response) -> bytes:
    """The body. Raises: httpx2.DecodingError beyond `ANSWER_BYTES_MAX`."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise httpx2.DecodingError("too large")
    return bytes(body)


def _their_number(document: Document) -> str:
    """Of a passport they know the number only, without the country before it."""
    return document.number.rpartition("/")[2]
