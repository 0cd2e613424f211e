"""Addresses of the server of the app, and who may use them."""

from urllib.parse import urlsplit

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app._compat import is_host_allowed

__all__ = ["frame_address", "is_from_our_page", "photo_address", "refusal"]


def photo_address() -> str:
    """Return the path to which browsers send photos."""
    return _address("photos")


def frame_address() -> str:
    """Return the path to which browsers send what a camera sees, to be answered."""
    return _address("frames")


def is_from_our_page(request: Request) -> bool:
    """Return whether a request comes from a page of this app: the browser says where it comes from."""
    host = request.headers.get("host")
    origin = request.headers.get("origin")
    return is_host_allowed(host) and (origin is None or urlsplit(origin).netloc == host)


def refusal(status: int, reason: str) -> Response:
    """Return the answer to a request that is not carried out."""
    return JSONResponse({"reason": reason}, status_code=status)


def _address(name: str) -> str:
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/{name}" if base else f"/{name}"
