"""Around every page: who is there, may he, is the form ours; and what he sees when it does not go as asked.

@router.get("/contracts/{contract_no}/entries", **PAGE)
@page(Action.ADMIT)
async def show_entry(visit: Visit) -> Response: ...

The endpoint's other parameters are declared as usual. A path with `{contract_no}` is for whoever has that contract.
"""

from __future__ import annotations

import inspect
import secrets
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from chassis.auth import Principal
from chassis.faults import NotFound, TooManyRequests, Unavailable
from chassis.problems import Refused
from chassis.web import public
from contracts.access import Action, may
from portal.addresses import address_of
from portal.forms import FieldError, Form, read_form
from portal.labels import flaw_title
from portal.languages import CHINESE, LANGUAGES, _
from portal.rendering import HEADERS
from portal.session import SESSION_LIFE, VISITOR_COOKIE, Session, set_cookie
from portal.upstream.calls import Caller, UpstreamAway, UpstreamRefused
from portal.upstream.services import Services
from portal.wired import Portal, portal_of

LANGUAGE_COOKIE, TYPE_COOKIE = "__Host-language", "__Host-type"
LARGE = "large"
PAGE: dict[str, Any] = {"response_class": HTMLResponse, "include_in_schema": False}
P = ParamSpec("P")
Remember = Callable[[str, str], Awaitable[None]]
"""Takes a service and a consistency token of it."""


class SignedOut(Exception):
    """There is no session, or none any more."""


class NotOurForm(Exception):
    """The form was not given out to this browser, or too long ago."""


@dataclass
class Visit:
    """One request of one browser."""

    request: Request
    portal: Portal
    session: Session | None
    visitor: str
    form: Form = field(default_factory=Form)
    principal: Principal | None = None

    @property
    def language(self) -> str:
        chosen = self.request.cookies.get(LANGUAGE_COOKIE)
        return chosen if chosen in LANGUAGES else CHINESE

    @property
    def contract_no(self) -> str | None:
        found: str | None = self.request.path_params.get("contract_no")
        return found

    @property
    def site(self) -> str:
        """The contract of a page that has one, as it stands in addresses."""
        return f"/contracts/{quote(self.contract_no or '', safe='')}"

    @property
    def accompanies(self) -> UUID | None:
        """Of a page about a family member: with whom he comes, by whom alone he is found."""
        try:
            return UUID(self.request.query_params.get("accompanies", ""))
        except ValueError:
            return None

    @property
    def of_family(self) -> str:
        """What an address says so with."""
        return f"?accompanies={self.accompanies}" if self.accompanies else ""

    @property
    def list_address(self) -> str:
        """The list that the person of this page is on."""
        own = f"{self.site}/pre-registrations"
        return f"{own}/{self.accompanies}/family-members" if self.accompanies else own

    @property
    def address(self) -> str:
        """From where he comes."""
        return address_of(self.request, trusted_proxies=self.portal.settings.trusted_proxies)

    def text(self, chinese: str) -> str:
        """In the user's language."""
        return self.portal.renderer.languages[self.language].gettext(chinese)

    def services(self, remember: Remember | None = None) -> Services:
        """The services, asked in his name. What is done there is remembered in the session, unless `remember` sees to it.

        Raises: SignedOut.
        """
        if self.session is None or self.principal is None:
            raise SignedOut
        return Services(self.portal.calls, Caller(self.principal, self.session.seen, self.language, remember or self.remember))

    async def remember(self, service: str, token: str) -> None:
        """What the session did there is what its next pages show."""
        if self.session is not None:
            await self.portal.sessions.remember(self.session, service, token)

    def render(self, template: str, *, status: int | None = None, errors: Sequence[FieldError] = (), **context: Any) -> Response:
        """The page: 200, with errors 422. `errors` are told in a summary and beside their fields; `form` is what was typed."""
        address = self.request.url.path + (f"?{self.request.url.query}" if self.request.url.query else "")
        told = {
            "visit": self,
            "form": self.form,
            "errors": errors,
            "error_of": {each.field: each.message for each in reversed(errors) if each.field},
            "form_token": self.portal.sessions.form_token(self.visitor),
            "is_large": self.request.cookies.get(TYPE_COOKIE) == LARGE,
            "address": address if self.request.method == "GET" else self.request.url.path,
            "may": lambda action: self.principal is not None and may(self.principal.role, Action(action)),
            "site": self.site,
        }
        status = status or (422 if errors else 200)
        return self.portal.renderer.page(template, language=self.language, status=status, context=told | context)

    def wrong(self, refused: UpstreamRefused | UpstreamAway, fields: Mapping[str, str]) -> list[FieldError]:
        """What a service did not accept, beside the fields of the form. `fields`: pointer into its body, or code of a refusal →
        field."""
        if isinstance(refused, UpstreamAway):
            return [FieldError("", self.text(_("系统暂时没有应答,您填写的内容都在,请再次提交(不会重复登记)。")))]
        if refused.code == "idempotency-key-reused":
            return [
                FieldError("", self.text(_("这张表单已经提交过,现在填写的内容与当时不同。请核对;确认要另行登记的,请再次提交。")))
            ]
        if is_overtaken(refused):
            message = _("打开本页之后,登记信息已有变动,没有登记您的更改。您填写的内容都在:请核对现在的信息,仍要更改的请再次提交。")
            return [FieldError("", self.text(message))]
        told = [
            FieldError(field, flaw_title(code, self.language))
            for pointer, code in refused.errors
            if (field := _field_of(pointer, fields)) is not None
        ]
        return told or [FieldError(fields.get(refused.code, ""), refused.title)]

    def key_after(self, refused: UpstreamRefused | UpstreamAway) -> str | None:
        """The form's idempotency key while nobody knows what became of it; after a refusal the form is another one."""
        return self.form.text("key") if isinstance(refused, UpstreamAway) else None

    def go(self, path: str) -> Response:
        """To another page, with GET."""
        return RedirectResponse(path, status_code=303, headers=HEADERS)

    def trouble(self, status: int, title: str, detail: str | None = None) -> Response:
        return self.render("trouble.html", status=status, title=title, detail=detail)


def is_overtaken(refused: UpstreamRefused | UpstreamAway) -> bool:
    """Whether somebody changed meanwhile what the form was made of."""
    return isinstance(refused, UpstreamRefused) and refused.code == "registration-has-changed"


def _field_of(pointer: str, fields: Mapping[str, str]) -> str | None:
    """The field of the longest pointer that leads to this one."""
    leading = [each for each in fields if pointer == each or pointer.startswith(f"{each}/")]
    return fields[max(leading, key=len)] if leading else None


Endpoint = Callable[Concatenate[Visit, P], Awaitable[Response]]


def page(action: Action | None, *, takes_file: bool = False) -> Callable[[Endpoint[P]], Callable[..., Awaitable[Response]]]:
    """A page for whoever may do this; None: for everybody, signed in or not."""

    def decorate(endpoint: Endpoint[P]) -> Callable[..., Awaitable[Response]]:
        @wraps(endpoint)
        async def answer(request: Request, *args: Any, **kwargs: Any) -> Response:
            visit = _begin(request)
            try:
                visit.session = await visit.portal.sessions.of(request)
                _admit(visit, action)
                with visit.portal.uploads.place() if takes_file else nullcontext():
                    await _take_form(visit, takes_file=takes_file)
                    response = await endpoint(visit, *args, **kwargs)
            except Exception as error:
                response = _answer_for(visit, error)
            if VISITOR_COOKIE not in request.cookies:
                set_cookie(response, VISITOR_COOKIE, visit.visitor, life=SESSION_LIFE)
            return response

        answer.__signature__ = _with_request(endpoint)  # type: ignore[attr-defined]
        return public(answer)

    return decorate


def _with_request(endpoint: Callable[..., Any]) -> inspect.Signature:
    """The endpoint's signature with the request in place of the visit, for FastAPI."""
    hints = typing.get_type_hints(endpoint, include_extras=True)
    first, *others = inspect.signature(endpoint).parameters.values()
    request = first.replace(name="request", annotation=Request)
    resolved = [each.replace(annotation=hints[each.name]) for each in others]
    return inspect.Signature([request, *resolved], return_annotation=Response)


def _begin(request: Request) -> Visit:
    visitor = request.cookies.get(VISITOR_COOKIE) or secrets.token_urlsafe(24)
    return Visit(request, portal_of(request), None, visitor)


def _admit(visit: Visit, action: Action | None) -> None:
    """Before anything is read of what he sends. Raises: SignedOut, NotFound, PermissionError."""
    if visit.session is not None:
        visit.principal = visit.session.anywhere if visit.contract_no is None else visit.session.on(visit.contract_no)
    if action is None:
        return
    if visit.session is None:
        raise SignedOut
    if visit.principal is None:
        raise NotFound
    if not may(visit.principal.role, action):
        raise PermissionError


async def _take_form(visit: Visit, *, takes_file: bool) -> None:
    """Raises: NotOurForm, Refused."""
    if visit.request.method == "POST":
        visit.form = await read_form(visit.request, takes_file=takes_file)
        if not visit.portal.sessions.is_ours(visit.request.cookies.get(VISITOR_COOKIE, ""), visit.form.text("form_token")):
            raise NotOurForm


def _answer_for(visit: Visit, error: Exception) -> Response:
    """A page for what a user can meet; anything else is raised on, and answered by `chassis.edge`."""
    match error:
        case SignedOut():
            return visit.go("/login?ended=true")
        case NotOurForm():
            return visit.trouble(403, _("页面已过期"), _("请返回上一页,刷新后重新提交。"))
        case NotFound():
            return visit.trouble(404, _("页面不存在"), _("没有这个页面,或者它不属于您的合同。"))
        case PermissionError():
            return visit.trouble(403, _("没有权限"), _("您的角色不能办理此业务。"))
        case TooManyRequests():
            response = visit.trouble(429, _("操作过于频繁"), _("请稍后再试。"))
            response.headers["Retry-After"] = str(error.retry_after_s)
            return response
        case UpstreamAway() | Unavailable():
            response = visit.trouble(503, _("系统暂时没有应答"), _("请稍后刷新本页。已提交的内容不会重复登记。"))
            response.headers["Retry-After"] = "5"
            return response
        case UpstreamRefused() if error.status == 404:
            return visit.trouble(404, _("页面不存在"), _("没有这个页面,或者它不属于您的合同。"))
        case UpstreamRefused():
            return visit.trouble(error.status, error.title, error.detail)
        case Refused() if error.problem.status == 413:
            return visit.trouble(413, _("文件过大"), _("每个文件不超过 10 MB。请返回上一页,重新选择。"))
        case Refused():
            return visit.trouble(error.problem.status, _("请求无法识别"), _("请返回上一页,重新填写。"))
    raise error
