"""The networks of this process: each is loaded once, however many embedders work with it.

A network is what one engine made of it: a torch module, or a session of another engine.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import torch

__all__ = ["Key", "release_networks", "shared_network"]

Key = tuple[str, str, int, str, str]
"""The key of a network: digest of its weights, architecture, input size, device, engine."""

_Network = TypeVar("_Network")

MOST = 2
"""Networks that are kept: the one at work, and the one before it."""

_RESERVE_BYTES = 2**30  # what is left of a machine's memory beside a network

_kept: OrderedDict[Key, Any] = OrderedDict()
_lock = threading.RLock()  # an engine may need the network in torch to be made


def shared_network(key: Key, load: Callable[[], _Network], size_bytes: int) -> _Network:
    """The network of a key; loaded if it is not kept, in which case others may have to go.

    Args:
        key: What makes it.
        load: Loads it, frozen and on its device.
        size_bytes: About how much memory its weights need.
    """
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            kept: _Network = _kept[key]
            return kept
        available = _available_bytes(key[3])
        while _kept and (
            len(_kept) >= MOST or (available is not None and available < size_bytes + _RESERVE_BYTES)
        ):
            _kept.popitem(last=False)
            available = _available_bytes(key[3])
        loaded = load()
        _kept[key] = loaded
        return loaded


def release_networks(*, but: Key | None = None) -> None:
    """Let go of all networks, or of all but one; they are loaded again when they are needed."""
    with _lock:
        for key in [key for key in _kept if key != but]:
            del _kept[key]
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _available_bytes(device: str) -> int | None:
    """Memory that can still be had on a device; None where that cannot be told."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return None
