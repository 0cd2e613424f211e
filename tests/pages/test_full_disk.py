"""Pages of a workspace whose disk is full or read-only: all open, and say why something does not work."""

import shutil

import pytest

from tests._disks import mounted_disk

pytestmark = pytest.mark.thorough

PAGES = ["dataset", "train", "evaluate", "samples", "predict", "runs"]
WORK = {
    "check": "dataset",
    "start training": "train",
    "search": "train",
    "look_closer": "evaluate",
    "save": "runs",
}


@pytest.fixture
def disk(trained, workspace, tmp_path):
    """A disk of a few MB with the workspace of a finished training, whose photos were not seen yet."""
    shutil.rmtree(trained.dataset.folder / "thumbnails", ignore_errors=True)
    kept = shutil.copytree(workspace.root, tmp_path / "kept")
    with mounted_disk(workspace.root) as disk:
        if disk is None:
            pytest.skip("may not mount a disk")
        shutil.copytree(kept, workspace.root, dirs_exist_ok=True)
        yield disk


@pytest.mark.parametrize(("how", "step"), [("fill", "free some space"), ("forbid", "is not writable")])
def test_all_pages_open_and_say_what_is_wrong(disk, open_page, finish, ui, how, step):
    getattr(disk, how)()
    try:
        for page in PAGES:
            at = open_page(page)
            assert not at.error
            assert not any("picture is gone" in text for text in ui.texts(at))
        for button, page in WORK.items():
            at = open_page(page)
            at.session_state["search_open"] = True
            at = ui.press(ui.tick(at, 0) if page == "runs" else at.run(), button)
            at = at if at.error else finish(at)
            assert step in at.error[0].value, button
    finally:
        disk.allow()
