"""Files of the computer that the app runs on: open to who sits at it, and otherwise where that is allowed.

Whoever reaches the app could name any file that its process may read. Nobody reaches it but those who sit at
this computer if it listens here alone and answers to no other name. ``VITSTUDIO_FOLDERS`` names the folders
that are open to everybody, separated as in ``PATH``; all others are closed then.
"""

import ipaddress
import os
from pathlib import Path

import streamlit as st

from vitcore.errors import InputError
from vitcore.text import unquoted

__all__ = ["paths_are_open", "server_path"]

_SETTING = "VITSTUDIO_FOLDERS"


def paths_are_open() -> bool:
    """Return whether a path of this computer can be given at all."""
    return bool(_folders()) if _SETTING in os.environ else _is_private()


def server_path(text: str) -> Path:
    """Return the path that somebody typed.

    Raises:
        InputError: It is not open to the app.
    """
    path = Path(unquoted(text)).expanduser()
    if not paths_are_open():
        raise InputError(
            "Files of the computer that the app runs on are closed to its visitors; upload the file, or ask "
            "who runs the app to name its folder in {setting}.",
            setting=_SETTING,
        )
    folders = _folders()
    if not folders:
        return path
    path = path.resolve()  # a link may lead out of a folder
    if not any(path.is_relative_to(folder) for folder in folders):
        raise InputError(
            "'{path}' is in no folder that is open to this app; give one in {folders:or}.",
            path=text,
            folders=list(map(str, folders)),
        )
    return path


def _folders() -> list[Path]:
    """Return the folders that are open to everybody."""
    named = os.environ.get(_SETTING, "").split(os.pathsep)
    return [Path(folder).expanduser().resolve() for folder in named if folder.strip()]


def _is_private() -> bool:
    """Return whether the app listens on this computer alone, and answers to its own names only."""
    names = [st.get_option("server.address"), *st.get_option("server.allowedHosts")]
    return all(map(_is_loopback, names))


def _is_loopback(name: str | None) -> bool:
    if not name:
        return False
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower().rstrip(".") == "localhost"
