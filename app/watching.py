"""The route to which browsers send what a camera sees: one frame per request, answered at once.

Each names its watcher by a token that only the page of that session has; what another web site asks for is
refused.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from app.routes import is_from_our_page, refusal
from app.shared.watchers import find_watcher

__all__ = ["answer"]

_MOST_BYTES = 2**20  # of a frame

# One at a time, as the device computes them, and not in the threads that write uploads.
_pool = ThreadPoolExecutor(1, thread_name_prefix="frames")


async def answer(request: Request) -> Response:
    """Answer the frame of a request in words."""
    if not is_from_our_page(request):
        return refusal(403, "This address is for the pages of ViT Studio only.")
    watcher = find_watcher(request.headers.get("x-tray", ""))
    if watcher is None:
        return refusal(404, "The page that this frame is for is gone; reload it.")
    frame = bytearray()
    try:
        async for chunk in request.stream():
            frame += chunk
            if len(frame) > _MOST_BYTES:
                return refusal(413, f"A frame has at most {_MOST_BYTES // 2**10:,} KB.")
    except ClientDisconnect:
        return refusal(400, "The frame did not arrive as a whole.")
    found = await asyncio.get_running_loop().run_in_executor(_pool, watcher.answer, bytes(frame))
    return JSONResponse(found)
