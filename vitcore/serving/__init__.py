"""A classifier that answers over HTTP."""

from vitcore.serving._app import serving_app
from vitcore.serving._limits import DEFAULT_LIMITS, Limits
from vitcore.serving._server import listen, run_server
from vitcore.serving._worker import Worker

__all__ = ["DEFAULT_LIMITS", "Limits", "Worker", "listen", "run_server", "serving_app"]
