"""The settings of the server's process with which pages and background work do not hold each other up."""

import sys
import threading
from functools import cache
from importlib import import_module

from app.shared.language import prepare_language

__all__ = ["prepare_process"]

# What the first training would import in its own time: the network, and what optimizers ask for.
_NEEDED_LATER = ("timm", "torch._dynamo")


@cache
def prepare_process() -> None:
    """Set up this process for pages and background work side by side; does something once only."""
    # Training is thousands of short steps, each of which lets go of Python's lock. At the usual 5 ms,
    # a thread that draws a page makes every one of them wait that long: a hundred times slower.
    sys.setswitchinterval(0.0002)
    prepare_language()
    threading.Thread(target=_import_ahead, name="import-ahead", daemon=True).start()


def _import_ahead() -> None:
    for name in _NEEDED_LATER:
        try:
            import_module(name)
        except Exception:
            if threading.main_thread().is_alive():
                raise
            return  # the process is ending: what an import needs is being taken apart
