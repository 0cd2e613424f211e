"""What the server does before anybody opens a page, and what a page shows that is opened meanwhile."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib import import_module

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app._compat import end_now, forget_pages_folder
from app.routes import frame_address, photo_address
from vitcore.language import tr

__all__ = ["frame_route", "opening", "photo_route", "prepare_server", "sweeping"]

_SWEEP_S = 60.0

# What every page needs; with them come the libraries for tables, charts and pictures.
_PAGES = (
    "app.shared.sidebar",
    "app.shared.resuming",
    "app.receiving",
    "app.dataset.importing",
    "vitcore.charts",
)


def _import_pages() -> None:
    for name in _PAGES:
        import_module(name)


_importing = threading.Thread(target=_import_pages, name="import-pages", daemon=True)


def prepare_server() -> None:
    """Show no menu but that of the pages, and begin to import what they need while a browser starts."""
    forget_pages_folder()
    _importing.start()


def photo_route() -> Route:
    """Return the route to which browsers send photos."""

    async def receive(request: Request) -> Response:
        await asyncio.to_thread(_importing.join)
        from app.receiving import answer

        return await answer(request)

    return Route(photo_address(), receive, methods=["PUT", "POST", "DELETE"])


def frame_route() -> Route:
    """Return the route to which browsers send what a camera sees, to be answered."""

    async def receive(request: Request) -> Response:
        await asyncio.to_thread(_importing.join)
        from app.watching import answer

        return await answer(request)

    return Route(frame_address(), receive, methods=["POST"])


@asynccontextmanager
async def sweeping(app: st.App) -> AsyncIterator[None]:  # noqa: ARG001 - as Streamlit calls it
    """Delete from time to time, for as long as the server runs, what closed pages have left behind."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            if not _importing.is_alive():
                from app.shared.trays import sweep_trays

                await asyncio.to_thread(sweep_trays)

    work = asyncio.create_task(sweep())
    yield
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    end_now()  # all connections are closed; uvicorn would raise the signal once more, as if this had failed


@contextmanager
def opening(title: str) -> Iterator[None]:
    """Show the heading of a page for as long as the server still imports what pages need.

    Args:
        title: Of the page.
    """
    if not _importing.is_alive():
        yield
        return
    placeholder = st.empty()
    with placeholder.container():
        st.title(title, anchor=False)
        st.caption(tr("One moment: the app is starting."))
    _importing.join()
    yield
    placeholder.empty()
