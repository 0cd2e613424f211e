"""The server before anybody has opened a page."""

from streamlit.runtime.pages_manager import PagesManager

from app._compat import forget_pages_folder
from tests._server import ROOT


def test_no_menu_of_file_names_is_offered_before_the_first_page_is_drawn(monkeypatch):
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    assert PagesManager(str(ROOT / "frame.py")).uses_pages_directory  # what Streamlit would do of its own
    forget_pages_folder()
    assert not PagesManager(str(ROOT / "frame.py")).uses_pages_directory
