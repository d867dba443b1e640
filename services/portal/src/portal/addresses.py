"""From where somebody asks: what guessing is counted by, and what 内网 is told by."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from starlette.requests import Request

NOBODY = "0.0.0.0"  # noqa: S104 - nobody's address, not one to listen on


def is_among(address: str, networks: str) -> bool:
    """Whether the address lies in one of the networks, which are separated by spaces."""
    return any(ip_address(address) in ip_network(each) for each in networks.split())


def address_of(request: Request, *, trusted_proxies: str) -> str:
    """The last address that no trusted proxy has. Each proxy adds the one that it sees at the end of `X-Forwarded-For`; what
    stands before an address that is not trusted, or before one that is none, whoever asks may have written himself."""
    address = request.client.host if request.client else NOBODY
    said = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while said and is_among(address, trusted_proxies):
        try:
            address = str(ip_address(said.pop().strip()))
        except ValueError:
            break
    return address
