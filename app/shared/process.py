"""The settings of the server's process with which pages and background work do not hold each other up."""

import sys
import threading
from functools import cache
from importlib import import_module

from app._compat import end_at_once
from app.shared.language import prepare_language
from vitcore.text import use_utf8

__all__ = ["device_title", "import_ahead", "prepare_process"]

# What the first training would import in its own time: the network, and what optimizers ask for.
_NEEDED_LATER = ("torch", "timm", "torch._dynamo")

_torch_is_imported = threading.Event()


@cache
def prepare_process() -> None:
    """Set up this process for pages and background work side by side; does something once only."""
    # Training is thousands of short steps, each of which lets go of Python's lock. At the usual 5 ms,
    # a thread that draws a page makes every one of them wait that long: a hundred times slower.
    sys.setswitchinterval(0.0002)
    use_utf8()
    prepare_language()
    end_at_once()


@cache
def import_ahead() -> None:
    """Begin to import in the background what trainings need; called when the first page is drawn."""
    threading.Thread(target=_import, name="import-ahead", daemon=True).start()


def device_title() -> str:
    """Return the title of the device that trains; empty as long as torch is being imported."""
    return _device_title() if _torch_is_imported.is_set() else ""


@cache
def _device_title() -> str:
    from vitcore.backbone import choose_device

    return choose_device().title


def _import() -> None:
    for name in _NEEDED_LATER:
        try:
            import_module(name)
        except Exception:
            if threading.main_thread().is_alive():
                raise
            return  # the process is ending: what an import needs is being taken apart
        _torch_is_imported.set()
