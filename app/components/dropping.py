"""A place to drop folders, photos and archives, which the browser then sends file by file."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

__all__ = ["draw_drop_area"]

_HERE = Path(__file__).parent

_HTML = """
<div class="area">
  <p class="title"></p>
  <p class="hint"></p>
  <div class="buttons">
    <button type="button" class="folders"></button>
    <button type="button" class="files"></button>
  </div>
  <div class="sending" hidden>
    <progress max="1" value="0"></progress>
    <span class="position" role="status"></span>
    <button type="button" class="cancel"></button>
  </div>
  <p class="problem" role="alert" hidden></p>
  <input class="folder-input" type="file" webkitdirectory hidden>
  <input class="file-input" type="file" multiple hidden>
</div>
"""

_area = st.components.v2.component(
    "drop_area",
    html=_HTML,
    css=(_HERE / "drop.css").read_text(encoding="utf-8"),
    js=(_HERE / "drop.js").read_text(encoding="utf-8"),
)


def draw_drop_area(address: str, token: str, texts: Mapping[str, str], *, key: str) -> None:
    """Draw the area; the page runs again when all files of a drop have arrived.

    Args:
        address: The path to which files are sent.
        token: The password of the place where they go.
        texts: What stands on it, in the language of now.
        key: Of the component.
    """
    data = {"address": address, "token": token, "texts": dict(texts)}
    _area(key=key, data=data, on_arrived_change=_nothing)


def _nothing() -> None:
    """Let the page run again: that is all there is to do."""
