"""The first page: what runs where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import Depends
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import Response

from chassis.web import Router, public
from portal.settings import Settings

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TEMPLATES = Path(__file__).parents[1] / "templates"

router = Router(tags=["pages"])
templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(), undefined=StrictUndefined)
style = (TEMPLATES / "portal.css").read_text()


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
@public
async def show_home(settings: Annotated[Settings, Depends(_settings)]) -> HTMLResponse:
    """What runs where, for people and programs that come here first."""
    services = [
        ("进场预登记", "registration", settings.registration_url),
        ("每日健康 · 处置方式", "health", settings.health_url),
        ("进场登记 · 过闸", "gatekeeper", settings.gatekeeper_url),
        ("实名制作业人员信息查询", "reporting", settings.reporting_url),
        ("健康云", "healthcloud-bridge", settings.healthcloud_bridge_url),
        ("公安", "police-bridge", settings.police_bridge_url),
    ]
    page = templates.get_template("home.html").render(services=services)
    return HTMLResponse(page, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer"})


@router.get("/portal.css", include_in_schema=False)
@public
async def show_style() -> Response:
    """How every page looks."""
    return Response(style, media_type="text/css", headers={"Cache-Control": "max-age=300"})
