"""A camera whose frames are answered, or kept as photos for as long as a button is held."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from vitcore.language import tr

__all__ = ["draw_camera"]

_HERE = Path(__file__).parent

_HTML = """
<div class="camera">
  <div class="line">
    <button type="button" class="switch"></button>
    <span class="status" role="status"></span>
  </div>
  <p class="problem" role="alert" hidden></p>
  <div class="recording">
    <div class="line">
      <label><span class="name"></span><input class="class" maxlength="100" autocomplete="off"></label>
      <button type="button" class="hold" disabled></button>
      <button type="button" class="done" hidden></button>
    </div>
    <p class="counts" role="status"></p>
  </div>
  <div class="view" hidden>
    <video muted playsinline></video>
    <div class="answer" aria-live="polite"><p class="headline"></p><p class="details"></p></div>
  </div>
</div>
"""


def draw_camera(
    kind: Literal["answer", "record"],
    address: str,
    token: str,
    *,
    key: str,
    counts: Mapping[str, int] | None = None,
) -> None:
    """Draw the camera; the page runs again when the photos of all classes have been kept.

    Args:
        kind: Whether what is seen is answered, or kept while a button is held.
        address: The path to which frames are sent.
        token: The password of the place where they go.
        key: Of the component.
        counts: How many photos of each class have been kept already.
    """
    data = {
        "kind": kind,
        "address": address,
        "token": token,
        "counts": dict(counts or {}),
        "texts": _texts(),
    }
    _component()(key=key, data=data, on_arrived_change=_nothing)


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return st.components.v2.component(
        "camera",
        html=_HTML,
        css=(_HERE / "camera.css").read_text(encoding="utf-8"),
        js=(_HERE / "camera.js").read_text(encoding="utf-8"),
    )


def _nothing() -> None:
    """Be there: a trigger without a callback is not sent."""


def _texts() -> dict[str, str]:
    out_of_date = tr("This page is out of date. Reload it and try again.")
    return {
        "start": tr("Start the camera"),
        "stop": tr("Stop the camera"),
        "video": tr("What the camera sees"),
        "name": tr("Class of the photos"),
        "hold": tr("Hold to take photos"),
        "done": tr("Check these photos"),
        "waiting": tr("Waiting for other work on this computer …"),
        "insecure": tr(
            "Browsers allow the camera only on this computer or over HTTPS. Open the app at localhost, or "
            "over HTTPS."
        ),
        "none": tr("No camera was found. Connect one and start it again."),
        "refused": tr(
            "The browser does not allow the camera here. Allow it in the settings for this site, then start "
            "it again."
        ),
        "busy": tr(
            "The camera cannot be opened. Close other programs that may be using it, then start it again."
        ),
        "lost": tr("The connection to the app was lost. Reload the page and try again."),
        "status_400": tr("This class has a name that cannot be used. Change it and try again."),
        "status_403": out_of_date,
        "status_404": out_of_date,
        "status_507": tr("There is not enough space on the disk for more photos. Free some and try again."),
    }
