"""A grid of photos that are looked through and labelled by keyboard or mouse."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from vitcore.dataset import Dataset
from vitcore.errors import VitcoreError
from vitcore.language import tr

__all__ = ["MOST_PHOTOS", "GridAnswer", "GridPhoto", "draw_photo_grid"]

MOST_PHOTOS = 48
"""As many photos as a page has at most."""

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class GridPhoto:
    """A photo in the grid.

    Attributes:
        image_id: In the dataset.
        name: In the source, for people.
        file: Below the dataset's folder.
        guess: Its class to begin with; empty for none.
        note: What is said of the guess, such as how sure it is.
    """

    image_id: int
    name: str
    file: str
    guess: str = ""
    note: str = ""


@dataclass(frozen=True)
class GridAnswer:
    """What a person did with a page of the grid.

    Attributes:
        labels: Classes by image id.
        left_out: Ids of the photos to take out, or that do not belong to a group.
        undo: True if the last step is to be taken back instead.
    """

    labels: dict[int, str]
    left_out: tuple[int, ...]
    undo: bool = False


def draw_photo_grid(
    data: Dataset, photos: Sequence[GridPhoto], *, page: str, key: str, confirm: str, naming: bool = False
) -> GridAnswer | None:
    """Draw photos with their classes, and return what a person made of them, once it is confirmed.

    Args:
        data: The dataset of the photos.
        photos: 48 at most.
        page: Identity of what is shown: with another one, all choices are forgotten.
        key: Of the widget.
        confirm: What the button says that confirms all.
        naming: Whether all photos get one name, which is typed, instead of a class each.
    """
    attempts = f"{key}_answers"
    found = _component()(
        key=key,
        data={
            "page": page,
            "attempt": st.session_state.setdefault(attempts, 0),
            "photos": [
                {
                    "id": photo.image_id,
                    "name": photo.name,
                    "src": _picture(str(data.folder), photo.file, data),
                    "guess": photo.guess,
                    "note": photo.note,
                }
                for photo in photos
            ],
            "classes": list(data.classes),
            "naming": naming,
            "words": _words(confirm),
        },
        on_answer_change=_nothing,
    )
    answer = _checked(found.answer, page, {photo.image_id for photo in photos})
    st.session_state[attempts] += answer is not None
    return answer


def _checked(value: Any, page: str, ids: set[int]) -> GridAnswer | None:
    """Return an answer if it is one to this page: a late one, to another page, is nothing."""
    if not isinstance(value, dict) or value.get("page") != page:
        return None
    if value.get("undo"):
        return GridAnswer({}, (), undo=True)
    labels = {int(image_id): str(label) for image_id, label in value.get("labels", {}).items()}
    left_out = tuple(int(image_id) for image_id in value.get("left_out", []))
    return GridAnswer(labels, left_out) if {*labels, *left_out} <= ids else None


def _nothing() -> None:
    """Be there: a trigger without a callback is not sent."""


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return st.components.v2.component(
        "photo_grid",
        html='<div class="photo-grid"></div>',
        css=(_FOLDER / "photo_grid.css").read_text(encoding="utf-8"),
        js=(_FOLDER / "photo_grid.js").read_text(encoding="utf-8"),
    )


@st.cache_data(show_spinner=False, max_entries=512)
def _picture(_folder: str, file: str, _data: Dataset) -> str:
    """Return the small picture of a photo as an address that holds it; empty if it is gone."""
    try:
        content = _data.thumbnail(file).read_bytes()
    except (VitcoreError, OSError):
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()


def _words(confirm: str) -> dict[str, str]:
    return {
        "confirm": confirm,
        "saving": tr("Saving …"),
        "photos": tr("Photos"),
        "no_label": tr("no class yet"),
        "left_out": tr("left out"),
        "enlarge": tr("Enlarge"),
        "new_class": tr("Another class"),
        "group_name": tr("Name of this group"),
        "keys": tr(
            "Arrows: move · 1 to 9, letters: class · Space: tick several · X: leave out · Z: undo · "
            "+: enlarge · Enter: all right"
        ),
        "naming_keys": tr(
            "Click what does not belong, then name the rest. Arrows: move · Space: in or out · "
            "X: leave out · Z: undo · +: enlarge · Enter: to the name"
        ),
    }
