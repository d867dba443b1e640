"""建设工程现场用户统一登录平台, the supervisors' login, and what everybody may choose for himself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action, Role
from contracts.identity import DocumentType, canonical_number, parse_mobile
from contracts.invalid import InvalidValue
from contracts.times import shanghai_date
from portal.forms import FieldError
from portal.labels import flaw_title
from portal.languages import LANGUAGES, _
from portal.login_codes import Challenge
from portal.session import set_cookie
from portal.users import PASSWORD_CHARS_MAX
from portal.visits import LANGUAGE_COOKIE, LARGE, PAGE, TYPE_COOKIE, Visit, page

CHOICE_LIFE = timedelta(days=365)
ACCOUNT_CHARS_MAX = 64

router = Router(tags=["pages"])

# --- Users of sites ---------------------------------------------------------------------------------------------------


@router.get("/login", **PAGE)
@page(None)
async def show_login(visit: Visit, ended: bool = False) -> Response:
    """个人身份证号, 手机号, 验证码."""
    return _login(visit, ended=ended)


@router.post("/login/code", **PAGE)
@page(None)
async def send_code(visit: Visit) -> Response:
    """获取验证码. The same answer whether there is such a user or not."""
    visit.portal.guessing.let_through(visit.address)
    number, mobile, errors = _typed(visit)
    if errors:
        return _login(visit, errors=errors)
    # Counted although nothing failed: each one may cost a message.
    visit.portal.guessing.note_failure(visit.address)
    return _login(visit, challenge=await visit.portal.codes.ask(document_number=number, mobile=mobile))


@router.post("/login", **PAGE)
@page(None)
async def log_in(visit: Visit) -> Response:
    """Number, mobile and code together: one of them wrong is all of them wrong."""
    visit.portal.guessing.let_through(visit.address)
    number, mobile, errors = _typed(visit)
    challenge_id, code = visit.form.text("challenge"), visit.form.text("code").strip()
    if not challenge_id:
        errors.append(FieldError("code", visit.text(_("请先获取验证码"))))
    elif not code:
        errors.append(FieldError("code", visit.text(_("请填写验证码"))))
    if errors:
        return _login(visit, errors=errors)
    user_id = await visit.portal.codes.redeem(challenge_id, document_number=number, mobile=mobile, code=code)
    if user_id is None:
        visit.portal.guessing.note_failure(visit.address)
        return _login(visit, errors=[FieldError("code", visit.text(_("身份证号、手机号或验证码不正确,或验证码已失效")))])
    response = visit.go("/contracts")
    await visit.portal.sessions.begin(response, user_id=user_id)
    return response


def _login(visit: Visit, *, errors: Sequence[FieldError] = (), challenge: Challenge | None = None, ended: bool = False) -> Response:
    shown = challenge.code if challenge is not None and visit.portal.settings.shows_login_codes else None
    challenge_id = challenge.challenge_id if challenge is not None else visit.form.text("challenge")
    return visit.render(
        "login.html",
        errors=errors,
        challenge_id=challenge_id,
        is_sent=challenge is not None,
        shown_code=shown,
        ended=ended,
    )


def _typed(visit: Visit) -> tuple[str, str, list[FieldError]]:
    """Number and mobile in canonical form, and what is wrong with them."""
    number = mobile = ""
    errors: list[FieldError] = []
    try:
        today = shanghai_date(visit.portal.clock.now())
        number = canonical_number(DocumentType.CITIZEN_ID, visit.form.text("document_number").strip(), today=today)
    except InvalidValue as flaw:
        errors.append(FieldError("document_number", flaw_title(flaw.type, visit.language)))
    try:
        mobile = parse_mobile(visit.form.text("mobile"))
    except InvalidValue as flaw:
        errors.append(FieldError("mobile", flaw_title(flaw.type, visit.language)))
    return number, mobile, errors


# --- Supervisors ------------------------------------------------------------------------------------------------------


@router.get("/supervision/login", **PAGE)
@page(None)
async def show_supervisor_login(visit: Visit) -> Response:
    """账号, 密码, 动态口令."""
    return _outside(visit) or visit.render("supervisor_login.html")


@router.post("/supervision/login", **PAGE)
@page(None)
async def log_in_as_supervisor(visit: Visit) -> Response:
    """One answer for whatever was wrong, also for an account that does not exist or is locked."""
    if (refused := _outside(visit)) is not None:
        return refused
    visit.portal.guessing.let_through(visit.address)
    account, password = visit.form.text("account")[:ACCOUNT_CHARS_MAX], visit.form.text("password")[:PASSWORD_CHARS_MAX]
    right = await visit.portal.users.proves_to_be(
        account, password=password, code=visit.form.text("code").strip(), now=visit.portal.clock.now()
    )
    if not right:
        visit.portal.guessing.note_failure(visit.address)
        message = visit.text(_("账号、密码或动态口令不正确,或账号已锁定"))
        return visit.render("supervisor_login.html", errors=[FieldError("account", message)])
    known = await visit.portal.users.supervisor_of(account)
    response = visit.go("/ops" if known is not None and known.role is Role.OPS else "/supervision/contracts")
    await visit.portal.sessions.begin(response, account=account)
    return response


def _outside(visit: Visit) -> Response | None:
    if visit.portal.settings.is_inside(visit.address):
        return None
    return visit.trouble(403, _("只能从内网登录"), _("监督管理人员请从内网登录。"))


# --- Everybody --------------------------------------------------------------------------------------------------------


@router.get("/contracts", **PAGE)
@page(Action.VIEW_SITE)
async def choose_contract(visit: Visit) -> Response:
    """选择合同."""
    return visit.render("contracts.html", contracts=await visit.services().registration.contracts())


@router.post("/logout", **PAGE)
@page(None)
async def log_out(visit: Visit) -> Response:
    """End the session, here and in the browser."""
    response = visit.go("/login" if visit.session is None or visit.session.supervisor is None else "/supervision/login")
    await visit.portal.sessions.end(visit.request, response)
    return response


@router.post("/preferences", **PAGE)
@page(None)
async def prefer(visit: Visit) -> Response:
    """简体中文 or English, large type or not. Back to where it was chosen."""
    back = visit.form.text("back")
    response = visit.go(back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/")
    if (language := visit.form.text("language")) in LANGUAGES:
        set_cookie(response, LANGUAGE_COOKIE, language, life=CHOICE_LIFE)
    if size := visit.form.text("type"):
        set_cookie(response, TYPE_COOKIE, LARGE if size == LARGE else "normal", life=CHOICE_LIFE)
    return response
