"""A server that listens until it is asked to stop."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from vitcore.errors import InputError

__all__ = ["listen", "run_server"]

_CONNECTIONS = 64  # at a time; more get status 503
_FAREWELL_S = 30  # for requests that are being answered when it ends


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: The address to listen on.
        port: 0 for any that is free.

    Raises:
        InputError: There is no such address here, or somebody else listens.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise InputError(
            "Port {port} of {host} cannot be used ({error}); give another --port or --host.",
            port=str(port),  # without a comma
            host=host,
            error=getattr(error, "strerror", None) or error,
        ) from error


def run_server(app: ASGIApp, at: socket.socket, stop: threading.Event) -> None:
    """Answer until `stop` is set; requests that are being answered then are finished.

    Args:
        app: What answers.
        at: What `listen` returned; it is closed.
        stop: Ends it.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_FAREWELL_S,
    )
    with at:
        _Server(config, stop).run(sockets=[at])


class _Server(uvicorn.Server):
    """A server that ends when an event is set, whatever became of signals."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event) -> None:
        super().__init__(config)
        self._stop = stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever sets the event."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to end; asked ten times a second."""
        return await super().on_tick(counter) or self._stop.is_set()
