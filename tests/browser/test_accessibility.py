"""No page has a serious or critical finding by axe-core, which looks for what keeps people out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser._driving import serious_findings, settled
from vitcore.compute import Compute
from vitcore.dataset import Dataset, import_dataset
from vitcore.layouts import Reading
from vitcore.pipeline import train
from vitcore.training import Hyperparameters

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

PAGES = ("dataset", "train", "evaluate", "samples", "predict", "runs", "label")


@pytest.fixture
def dataset(picture_folder: Callable[..., Path], tiny_backbone: str) -> Dataset:
    """A trained dataset, beside one whose photos have no labels."""
    heap = picture_folder(("some",), count=6, name="heap") / "some"
    import_dataset(heap, reading=Reading(unlabelled=True))
    made = import_dataset(picture_folder())
    train(made, Hyperparameters(epochs=2), compute=Compute(tiny_backbone))
    return made


def findings(page: Page, name: str) -> list[str]:
    """What axe finds on a page of the app that has been drawn, in a line each."""
    expect(page.get_by_test_id("stMain").get_by_role("heading", level=1)).to_be_visible()
    settled(page)
    return serious_findings(page, name)


def test_the_first_page_keeps_nobody_out(page: Page, server: str) -> None:
    page.goto(server)
    assert findings(page, "empty") == []


@pytest.mark.usefixtures("dataset")
def test_the_pages_keep_nobody_out(page: Page, server: str) -> None:
    found = []
    for name in PAGES:
        page.goto(f"{server}/{name}" if name != "dataset" else server)
        found += findings(page, name)
    assert found == [], "\n".join(found)
