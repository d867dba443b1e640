"""The app of a service's api: its own endpoints, and those that every service has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from chassis import internal_api, ops_api
from chassis.auth import Authenticator
from chassis.ops import Ops
from chassis.probes import Check
from chassis.service import Application, Machinery, Service
from chassis.web import create_app


def api_of(
    service: Service[Any],
    parts: Machinery[Any],
    application: Application,
    authenticator: Authenticator,
    *,
    checks: Mapping[str, Check] | None = None,
) -> FastAPI:
    """Of a service that is wired. Raises: TypeError for an endpoint that breaks the rules of `chassis.web`."""
    routers = [
        *application.routers,
        *([internal_api.router, ops_api.of_log] if parts.store else []),
        *([ops_api.router] if application.has_work_in(parts) else []),
    ]
    app = create_app(service=service.name, title=service.title, routers=routers, authenticator=authenticator, checks=checks)
    app.state.service_name = service.name
    app.state.store = parts.store
    app.state.ops = Ops.of(parts, application)
    for name, value in application.state.items():
        setattr(app.state, name, value)
    return app
