"""What tests do on a page in a real browser."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

__all__ = ["choose", "choose_backbone_file", "drop", "open_with", "serious_findings", "settled"]

_TRIES = 5
_PATIENCE_MS = 3000


def settled(page: Page) -> None:
    """Wait until the script behind the page has run; a click in between may meet what is replaced."""
    expect(page.locator("[data-test-script-state=running]")).to_have_count(0)


def open_with(button: Locator, opened: Locator) -> None:
    """Click until something is open: a click may meet a button that is just being drawn anew."""
    for _ in range(_TRIES):
        button.click()
        with suppress(PlaywrightTimeout):
            opened.wait_for(timeout=3 * _PATIENCE_MS)
            return
    expect(opened).to_be_visible()


def drop(page: Page, *paths: Path) -> None:
    """Drag folders and files from outside onto the place for them, and let go."""
    area = page.get_by_text("Drop folders, photos or a zip file here")
    expect(area).to_be_visible()
    settled(page)
    box = area.bounding_box()
    assert box is not None
    place = {"x": box["x"] + 5, "y": box["y"] + 5}
    browser = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


def choose(page: Page, name: str, option: str) -> None:
    """Pick an option of a selector, or a new one where that is allowed, by typing it."""
    field = page.get_by_role("combobox", name=name)
    offered = page.get_by_role("option").filter(has_text=option).first
    for _ in range(_TRIES):  # the list closes when the page is drawn again just then, after a job say
        field.click()
        field.fill(option)
        with suppress(PlaywrightTimeout, AssertionError):
            offered.wait_for(timeout=_PATIENCE_MS)
            field.press("Enter")  # a click may meet an option that is just being drawn anew
            field.blur()  # what was typed and not taken is gone then
            settled(page)
            expect(field).to_have_value(option, timeout=_PATIENCE_MS)
            return
    expect(field).to_have_value(option)


def choose_backbone_file(page: Page, path: str) -> None:
    """Pick the weights of a file as the backbone, on the page that trains."""
    more = page.get_by_text("More settings")
    expect(more).to_be_visible()  # of the new page; before that, it is the old one that has settled
    settled(page)
    more.click()
    settled(page)
    choose(page, "Backbone", "A weights file on this computer")
    field = page.get_by_role("textbox", name="Weights file")  # the list of backbones has an entry like it
    field.fill(path)
    field.press("Enter")
    settled(page)


def serious_findings(page: Page, name: str) -> list[str]:
    """What axe-core finds on a page that keeps people out, in a line each."""
    found: list[dict[str, Any]] = (
        Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    )
    return [
        f"{name}: {rule['id']} ({rule['impact']}): {node['target']} {node['html'][:200]}"
        for rule in found
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]
