"""The way in, as the manual leads there (二, 系统入口); what runs where; and files that all pages share."""

from __future__ import annotations

from starlette.responses import FileResponse, Response

from chassis.faults import NotFound
from chassis.web import Router, public
from portal.rendering import HERE
from portal.visits import PAGE, Visit, page

router = Router(tags=["pages"])

STATIC = {
    "portal.css": "text/css",
    "portal.js": "text/javascript",
    "turnstile.js": "text/javascript",
    "htmx-2.0.11.min.js": "text/javascript",
    "charts.js": "text/javascript",
    "echarts-6.1.0.simple.min.js": "text/javascript",
    "imports.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""Everything that is served as it is."""
CACHE = "max-age=3600"


@router.get("/", **PAGE)
@page(None)
async def show_home(visit: Visit) -> Response:
    """我要办 → 建设管理服务 → 人员 → 作业人员实名制 / 现场管理人员实名制."""
    return visit.render("home.html")


@router.get("/help", **PAGE)
@page(None)
async def show_help(visit: Visit) -> Response:
    """The manual in one page, and what the authority wants to be read first."""
    return visit.render("help.html", help_notice=visit.portal.settings.help_notice)


@router.get("/services", **PAGE)
@page(None)
async def show_services(visit: Visit) -> Response:
    """What runs where, for programs and whoever operates them."""
    settings = visit.portal.settings
    services = [
        ("进场预登记", "registration", settings.registration_url),
        ("每日健康 · 处置方式", "health", settings.health_url),
        ("进场登记 · 过闸", "gatekeeper", settings.gatekeeper_url),
        ("实名制作业人员信息查询", "reporting", settings.reporting_url),
        ("健康云", "healthcloud-bridge", settings.healthcloud_bridge_url),
        ("公安", "police-bridge", settings.police_bridge_url),
    ]
    return visit.render("services.html", services=services)


@router.get("/static/{name}", include_in_schema=False)
@public
async def show_file(name: str) -> Response:
    """How every page looks, and what it runs."""
    if name not in STATIC:
        raise NotFound
    folder = HERE / "static"
    file = folder / name if (folder / name).exists() else folder / "vendor" / name
    return FileResponse(file, media_type=STATIC[name], headers={"Cache-Control": CACHE})
