"""Photos taken with the camera: of one class after the other, for as long as a button is held."""

from collections import Counter

import streamlit as st

from app.components.camera import draw_camera
from app.routes import photo_address
from app.shared.trays import Tray
from vitcore.language import tr

__all__ = ["draw_recording"]


def draw_recording(tray: Tray) -> None:
    """Draw the camera, whose photos go into a tray, each in the folder of its class.

    Args:
        tray: Complete once somebody has taken all photos.
    """
    st.caption(
        tr(
            "Start the camera, name a class, and hold the button (or the space bar) while you turn the "
            "object or move around it: five photos a second. Then name the next class."
        )
    )
    counts = Counter(file.name.rpartition("/")[0] for file in tray.files)
    draw_camera("record", photo_address(), tray.token, key="recording", counts=counts)
