"""The address of a page: which dataset, classifier, section and photos it shows.

A reload, a bookmark, the back button and a link sent to somebody else then show the same. The address
follows the choices of a session; the choices follow the address where a session begins and where the back
button was used, and at no other time, for a click may cross an address that is on its way to the browser.
"""

from collections.abc import Iterable, Mapping
from typing import NoReturn

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app._compat import came_by_history
from app.shared.messages import notify, notify_error
from app.shared.state import dataset_names, select, workspace
from vitcore.errors import VitcoreError
from vitcore.language import tr
from vitcore.runs import load_run

__all__ = ["draw_navigation", "follow_address", "go_to", "section_key", "write_address"]

_SECTION, _PHOTO, _PHOTOS = "section", "photo", "photos"
_HERE = "page_shown"  # the part of the address of the page that is drawn


def section_key(page: str) -> str:
    """Return the key of the widget that chooses the section of a page, named by its part of the address.

    The first section has no name in the address: it is left out.
    """
    return f"{page}_section"


def follow_address(page: str) -> None:
    """Choose what the address names, where a session begins or the back button was used.

    Args:
        page: The part of the address of the page that is about to be drawn.
    """
    st.session_state[_HERE] = page
    first = not st.session_state.get("address_followed")
    if not first and not came_by_history():
        return
    st.session_state["address_followed"] = True
    asked = st.query_params.to_dict()
    _choose(asked)
    key = section_key(page)
    if _SECTION in asked:
        st.session_state[key] = asked[_SECTION]
    elif not first:
        st.session_state.pop(key, None)
    photo = asked.get(_PHOTO, "")
    if photo.isdecimal() and "run" in asked:
        st.session_state["opened"] = (asked["run"], int(photo))
    else:
        st.session_state.pop("opened", None)
    if _PHOTOS in asked and "run" in asked:
        st.session_state[f"batch_{asked['run']}"] = asked[_PHOTOS]


def write_address() -> None:
    """Let the address name what the page is about to show."""
    wanted = _address(st.session_state[_HERE])
    if wanted != st.query_params.to_dict():
        st.query_params.from_dict(wanted)


def draw_navigation(pages: Iterable[StreamlitPage]) -> None:
    """Draw the links to the pages; each names what it shows."""
    for page in pages:
        st.page_link(page, query_params=_address(page.url_path or "dataset"), width="stretch")


def go_to(page: str) -> NoReturn:
    """Go on to a page, which shows what is chosen now.

    Args:
        page: Its part of the address.
    """
    st.switch_page(f"pages/{page}.py", query_params=_address(page))


def _choose(asked: Mapping[str, str]) -> None:
    """Choose the dataset and the run that an address names; say it if they are gone."""
    if "run" in asked:
        try:
            run = load_run(asked["run"], workspace=workspace())
        except VitcoreError as error:
            notify_error(error)
        else:
            select("dataset", run.config.dataset.id)
            select("run", run.id)
            return
    if "dataset" in asked:
        if asked["dataset"] in dataset_names():
            select("dataset", asked["dataset"])
        else:
            notify("failed", tr("The dataset that this link leads to is not here any more."))


def _address(page: str) -> dict[str, str]:
    """Return what the address of a page names, as things are chosen now."""
    state = st.session_state
    named: dict[str, str] = {}
    if dataset := state.get("pending_dataset") or state.get("dataset"):
        named["dataset"] = dataset
        if run := state.get("pending_run") or ("" if "pending_dataset" in state else state.get("run")):
            named["run"] = run
    section = state.get(section_key(page))
    if section and section != state.get(f"{page}_first_section"):
        named[_SECTION] = section
    run_id = named.get("run", "")
    opened_run, photo = state.get("opened", (None, None))
    if page == "samples" and opened_run == run_id:
        named[_PHOTO] = str(photo)
    if page == "predict" and (batch := state.get(f"batch_{run_id}")):
        named[_PHOTOS] = batch
    return named
