"""The route to which browsers send photos: one file per request, written to the disk as it comes.

``PUT`` sends a file, ``POST`` says that all have come, ``DELETE`` that they are not wanted. Each names
its tray by a token that only the page of that session has; what another web site asks for is refused.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import streamlit as st
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.routes import is_from_our_page, refusal
from app.shared.trays import MOST_FILES, Tray, checked_name, find_tray
from vitcore.errors import InputError, StorageError
from vitcore.records import guard

__all__ = ["answer"]

_AT_ONCE = 2**20  # bytes that are held in memory, per request


async def answer(request: Request) -> Response:
    """Receive a file, or carry out what is asked for."""
    if not is_from_our_page(request):
        return refusal(403, "This address is for the pages of ViT Studio only.")
    tray = find_tray(request.headers.get("x-tray", ""))
    if tray is None:
        return refusal(404, "The page that these files are for is gone; reload it and send them again.")
    tray.touch()
    if request.method == "DELETE":
        await asyncio.to_thread(tray.clear)
    elif request.method == "POST":
        tray.complete = True
    else:
        return await _receive(request, tray)
    return Response(status_code=204)


async def _receive(request: Request, tray: Tray) -> Response:
    """Write the file of a request into a tray."""
    most = int(st.get_option("server.maxUploadSize")) * 2**20
    try:
        name = checked_name(unquote(request.headers.get("x-name", ""), errors="strict"))
    except (InputError, UnicodeDecodeError) as error:
        return refusal(400, str(error))
    if tray.complete:  # of an earlier drop, which the page has not taken
        await asyncio.to_thread(tray.clear)
    if len(tray.files) >= MOST_FILES:
        return refusal(413, f"More than {MOST_FILES:,} files at once are not accepted; send a zip file.")
    if int(request.headers.get("content-length") or 0) > most:
        return refusal(413, f"'{name}' is larger than {most // 2**20:,} MB, which is the most for one file.")
    path: Path | None = None
    try:
        path = await asyncio.to_thread(tray.place)
        with guard(path), path.open("wb") as file:
            if not await _written(request.stream(), file, most):
                path.unlink(missing_ok=True)
                text = f"'{name}' is larger than {most // 2**20:,} MB, which is the most for one file."
                return refusal(413, text)
    except (ClientDisconnect, StorageError) as error:
        if path is not None:
            path.unlink(missing_ok=True)
        return refusal(507, str(error))
    tray.add(name, path)
    return Response(status_code=204)


async def _written(chunks: AsyncIterator[bytes], file: BinaryIO, most: int) -> bool:
    """Write chunks to a file, some at a time; False as soon as there are too many bytes."""
    size, waiting = 0, bytearray()
    async for chunk in chunks:
        size += len(chunk)
        if size > most:
            return False
        waiting += chunk
        if len(waiting) >= _AT_ONCE:
            await asyncio.to_thread(file.write, bytes(waiting))
            waiting.clear()
    file.write(waiting)
    return True
