"""Who is let in: requests for this machine, from no foreign web page, with the token if there is one."""

import ipaddress
import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Door"]

_OPEN = "/health"  # what watches over servers has no token


class Door:
    """Turns away what a foreign web page could send through the browser of somebody on this machine.

    A page reaches a server on its visitor's own machine by pointing a name of its own there ("DNS
    rebinding"); the request then asks for that name. Addresses cannot be pointed anywhere.

    Args:
        app: What is behind the door.
        hosts: Names it answers to, besides ``localhost`` and addresses.
        token: What a request has to bring; nothing if empty.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] = (), token: str = "") -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(Headers(scope=scope), scope["path"])
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers, path: str) -> JSONResponse | None:
        host = _hostname(f"//{headers.get('host', '')}")
        if not self._is_ours(host):
            detail = f"This server does not answer to the name '{host}'; start it with --allow-host {host}."
            return JSONResponse({"error": detail}, 421)
        origin = headers.get("origin")
        if origin is not None and _hostname(origin) != host:
            return JSONResponse({"error": "This server answers to no other web site."}, 403)
        if self._token and path != _OPEN:
            given = headers.get("authorization", "")
            if not secrets.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                detail = "Send the header 'Authorization: Bearer TOKEN' with the token of this server."
                return JSONResponse({"error": detail}, 401, headers={"WWW-Authenticate": "Bearer"})
        return None

    def _is_ours(self, host: str) -> bool:
        if host in self._hosts:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


def _hostname(address: str) -> str:
    """The host of an address, in small letters and without the port; empty if there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
