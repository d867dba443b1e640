"""Registration, as far as the portal asks it who may act where: answers over HTTP, from what a test says was granted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

import httpx2
from joserfc import jwt

from portal.wiring import signing_key

NAMESPACE = UUID(int=5)
AWAY = 1
"""The port on which nobody answers."""


@dataclass
class Granted:
    grants: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    """(document number, mobile) → items."""
    withdrawn: dict[str, list[str]] = field(default_factory=dict)
    """Document number → contracts."""
    asked_by: set[str] = field(default_factory=set)
    """The roles in the tokens that it was shown."""

    def grant(self, number: str, mobile: str, contract_no: str, role: str = "site_operator", firm: str | None = None) -> None:
        item = {"contract_no": contract_no, "role": role, "employer_credit_code": firm}
        self.grants.setdefault((number, mobile), []).append(item)

    def withdraw(self, number: str, contract_no: str) -> None:
        for (whose, _), items in self.grants.items():
            if whose == number:
                items[:] = [each for each in items if each["contract_no"] != contract_no]
        self.withdrawn.setdefault(number, []).append(contract_no)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.port == AWAY:
            raise httpx2.ConnectError("nobody is there")
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.asked_by.add(jwt.decode(token, signing_key(bytes([1]) * 32), algorithms=["Ed25519"]).claims["role"])
        if request.url.path == "/v1/operator-lookups":
            asked = json.loads(request.content)
            return httpx2.Response(200, json=self._rights(asked["document"]["number"], asked["mobile"]))
        for number, mobile in self.grants:
            if (
                request.url.path == f"/v1/operators/{_id(number)}/rights"
                and request.url.params["mobile_fingerprint"] == _id(mobile).hex
            ):
                return httpx2.Response(200, json=self._rights(number, mobile))
        return httpx2.Response(404, json={"code": "not-found", "title": "没有找到", "status": 404})

    def _rights(self, number: str, mobile: str) -> dict[str, Any]:
        if not any(whose == number for whose, _ in self.grants):
            return {"operator_id": None, "mobile_fingerprint": None, "items": [], "withdrawn": []}
        return {
            "operator_id": str(_id(number)),
            "mobile_fingerprint": _id(mobile).hex,
            "items": self.grants.setdefault((number, mobile), []),
            "withdrawn": self.withdrawn.get(number, []),
        }


def _id(text: str) -> UUID:
    return uuid5(NAMESPACE, text)
