"""`/docs`: what a service answers, for people, drawn from its OpenAPI document.

No script and nothing from elsewhere: FastAPI's page loads its program from a public network, which the networks that
this runs in do not reach, and a page on which people handle tokens should load nobody else's code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from contracts.access import ALLOWED, Action

POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

STYLE = """
body { font: 16px/1.6 "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; margin: 0; color: #1a1a1a; background: #f4f6f9; }
header { background: #1f4e9c; color: #fff; padding: 1rem 2rem; }
main { max-width: 70rem; margin: 1rem auto; padding: 0 1rem; }
section { background: #fff; border: 1px solid #d5dbe5; margin: 1rem 0; padding: .5rem 1rem; }
h1, h2 { font-size: 1.2rem; margin: .3rem 0; } h2 { overflow-wrap: anywhere; }
code, pre { font: 14px/1.5 "Noto Sans Mono CJK SC", monospace; } pre { overflow-x: auto; background: #f4f6f9; padding: .5rem; }
table { border-collapse: collapse; } th, td { text-align: left; border: 1px solid #d5dbe5; padding: .2rem .6rem; }
a { color: #1f4e9c; } header a { color: #fff; } .method { color: #1f4e9c; }
"""

METHODS = ("get", "post", "put", "patch", "delete")


def docs_routes(openapi: Callable[[], Mapping[str, Any]]) -> list[Route]:
    """The page and its style."""

    async def docs(_request: Request) -> Response:
        return HTMLResponse(_page(openapi()), headers={"Content-Security-Policy": POLICY})

    async def style(_request: Request) -> Response:
        return Response(STYLE, media_type="text/css")

    return [Route("/docs", docs), Route("/docs.css", style)]


def _page(document: Mapping[str, Any]) -> str:
    title = escape(document["info"]["title"])
    operations = [
        _operation(path, method, found[method])
        for path, found in document.get("paths", {}).items()
        for method in METHODS
        if method in found
    ]
    schemas = [
        f'<section id="{escape(name)}"><h2>{escape(name)}</h2>{_json(schema)}</section>'
        for name, schema in sorted(document.get("components", {}).get("schemas", {}).items())
    ]
    head = f'<meta charset="utf-8"><title>{title}</title><link rel="stylesheet" href="docs.css">'
    links = '<a href="openapi.json">openapi.json</a> · <a href="readyz">readyz</a> · <a href="metrics">metrics</a>'
    header = f"<header><h1>{title}</h1>{links}</header>"
    main = "\n".join(("<main>", *operations, "<h1>Schemas</h1>", *schemas, "</main>"))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{header}{main}</body></html>'


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    heading = f'<h2><span class="method">{method.upper()}</span> <code>{escape(path)}</code></h2>'
    text = f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
    return f"<section id={json.dumps(operation['operationId'])}>{heading}{text}{''.join(_facts(operation))}</section>"


def _facts(operation: Mapping[str, Any]) -> Iterator[str]:
    for action in operation.get("x-action", ()):
        roles = ", ".join(sorted(role.value for role in ALLOWED[Action(action)]))
        yield f"<p>May <code>{escape(action)}</code>: {escape(roles)}</p>"
    if parameters := operation.get("parameters"):
        yield f"<table><tr><th>Parameter<th>In<th>Required<th>Meaning</tr>{''.join(map(_parameter, parameters))}</table>"
    for schema in _schemas(operation.get("requestBody", {})):
        yield f"<p>Body, at most {operation.get('x-body-bytes-max', 0):,} bytes: {_reference(schema)}</p>"
    for status, response in operation["responses"].items():
        shapes = ", ".join(map(_reference, _schemas(response))) or "no content"
        yield f"<p><code>{escape(status)}</code> {escape(response['description'])}: {shapes}</p>"


def _parameter(parameter: Mapping[str, Any]) -> str:
    required = "yes" if parameter.get("required") else "no"
    meaning = (
        escape(parameter.get("description", "")) or f"<code>{escape(json.dumps(parameter['schema'], ensure_ascii=False))}</code>"
    )
    return f"<tr><td><code>{escape(parameter['name'])}</code><td>{parameter['in']}<td>{required}<td>{meaning}</tr>"


def _schemas(part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [content["schema"] for content in part.get("content", {}).values() if content.get("schema")]


def _reference(schema: Mapping[str, Any]) -> str:
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    return f"<code>{escape(json.dumps(schema, ensure_ascii=False))}</code>"


def _json(schema: Mapping[str, Any]) -> str:
    return f"<pre>{escape(json.dumps(schema, ensure_ascii=False, indent=2))}</pre>"
