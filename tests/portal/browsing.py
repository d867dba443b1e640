"""A browser without a screen: it keeps cookies, and sends a form with what the page gave it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx2
from fastapi import FastAPI

FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@dataclass
class Browser:
    """Over https, for the portal's cookies are Secure."""

    app: FastAPI
    address: str = "127.0.0.1"
    page: httpx2.Response = field(init=False)

    def __post_init__(self) -> None:
        transport = httpx2.ASGITransport(app=self.app, client=(self.address, 1))
        self.client = httpx2.AsyncClient(transport=transport, base_url="https://portal")

    async def open(self, path: str) -> httpx2.Response:
        self.page = await self.client.get(path, follow_redirects=True)
        return self.page

    async def submit(self, path: str, **fields: Any) -> httpx2.Response:
        """The form of the page that is open, with these fields filled in."""
        self.page = await self.client.post(path, data=self._hidden() | fields, follow_redirects=True)
        return self.page

    async def upload(self, path: str, file: tuple[str, bytes, str], **fields: Any) -> httpx2.Response:
        """The same with a file: what it is called, its content, what the browser takes it for."""
        data = self._hidden() | fields
        self.page = await self.client.post(path, data=data, files={"file": file}, follow_redirects=True)
        return self.page

    def _hidden(self) -> dict[str, str]:
        return {name: unescape(value) for name, value in HIDDEN.findall(self.page.text)}
