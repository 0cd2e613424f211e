"""Asking a route of the server without a server."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor

from starlette.responses import Response

__all__ = ["answered"]


def answered(answer: Coroutine[object, object, Response]) -> Response:
    """Return what a route answers; in a thread, for a browser that is open occupies the loop of this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, answer).result()
