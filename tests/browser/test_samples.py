"""From a cell of the confusion matrix and a point of the map to the images, and a label mended on the way."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser._driving import open_with, settled
from vitcore.compute import Compute
from vitcore.dataset import Dataset, import_dataset, load_dataset
from vitcore.pipeline import train
from vitcore.runs import Run
from vitcore.training import Hyperparameters

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


@pytest.fixture
def trained(picture_folder: Callable[..., Path], tiny_backbone: str) -> tuple[Dataset, Run]:
    """Sixty pictures, some in the wrong class, and a run judged on 24 of them: one page of pictures."""
    photos = picture_folder(count=20, name="shades")
    for number in range(6):
        blue, green = (photos / label / f"{number:03}.png" for label in ("blue", "green"))
        blue_bytes = blue.read_bytes()
        blue.write_bytes(green.read_bytes())
        green.write_bytes(blue_bytes)
    dataset = import_dataset(photos)
    return dataset, train(
        dataset, Hyperparameters(epochs=4, validation_fraction=0.4), compute=Compute(tiny_backbone)
    )


def point_of(page: Page, name: str) -> Locator:
    return page.locator(f'path[aria-roledescription=point][aria-label*="{name}"]')


def in_front(page: Page, name: str) -> bool:
    """Whether nothing covers the middle of an image's point."""
    return point_of(page, name).evaluate(
        """point => {
            const box = point.getBoundingClientRect()
            const middle = [box.x + box.width / 2, box.y + box.height / 2]
            return document.elementFromPoint(...middle) === point
        }"""
    )


def test_from_a_cell_and_a_point_to_the_images_and_a_label_mended(
    page: Page, trained: tuple[Dataset, Run], server: str
) -> None:
    dataset, run = trained
    rows = run.predictions
    wrong = rows[rows["true"] != rows["predicted"]].sort_values("confidence", ascending=False)
    true, predicted = wrong.iloc[0][["true", "predicted"]]

    # A click on a cell shows the images that are counted in it, and no others.
    page.goto(f"{server}/evaluate")
    page.get_by_role("radio", name="Confusions").click()
    cell = rows[(rows["true"] == true) & (rows["predicted"] == predicted)]
    square = page.locator(
        f'path[aria-label*="true: {true}; predicted: {predicted};"],'
        f'path[aria-label*="predicted: {predicted}; true: {true};"]'
    )
    expect(square).to_have_count(1)
    settled(page)
    square.click(force=True)  # its number lies on it
    expect(page.get_by_test_id("stImage")).to_have_count(len(cell))
    for name in cell["name"]:
        expect(page.get_by_text(name)).to_have_count(1)

    # A click on a point of the map shows its image.
    page.get_by_test_id("stSidebar").get_by_role("link", name="Samples").click()
    page.get_by_role("radio", name="Map").click()
    points = page.locator("path[aria-roledescription=point]")
    expect(points).to_have_count(len(rows))
    settled(page)
    name = next(name for name in wrong["name"] if in_front(page, name))
    point_of(page, name).click(force=True)
    expect(page.get_by_text("Validation images: 1 (0 right, 1 wrong)")).to_be_visible()
    settled(page)

    # From close by it is moved to the class that was predicted.
    dialog = page.get_by_role("dialog")
    open_with(page.get_by_role("button", name="Enlarge"), dialog)
    expect(dialog.get_by_text(name)).to_be_visible()
    settled(page)
    dialog.get_by_role("button", name="Move", exact=True).click()
    true, predicted = rows.set_index("name").loc[name, ["true", "predicted"]]
    told = re.compile(f"now labelled {predicted}")
    expect(dialog.get_by_text(told)).to_be_visible()
    expect(dialog.get_by_role("button", name=f"Undo: Moved 1 image to '{predicted}'")).to_be_visible()
    labels = load_dataset(dataset.id).index.set_index("name")["label"]
    assert labels[name] == predicted
    assert (labels != dataset.index.set_index("name")["label"]).sum() == 1

    # A refresh is a new session, and shows the same photo, moved; the run still says what it was.
    page.reload()
    expect(dialog.get_by_text(name)).to_be_visible()
    expect(dialog.get_by_text(told)).to_be_visible()
    settled(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    # So does the gallery.
    page.get_by_role("radio", name="Gallery").click()
    expect(page.get_by_test_id("stImage")).to_have_count(len(rows))
    expect(page.get_by_text(told)).to_have_count(1)
    settled(page)
    place = wrong["name"].tolist().index(name)  # among the mistakes, which come first
    page.get_by_role("button", name="Enlarge").nth(place).click()
    expect(dialog.get_by_text(f"it was labelled {true}")).to_be_visible()
    expect(dialog.get_by_text(told)).to_be_visible()
    settled(page)
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_text(f"{place + 2} of 24")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
