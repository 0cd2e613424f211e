"""From a folder of photos to a figure, as somebody who opens the app for the first time."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser._driving import drop, settled
from vitcore.dataset import list_datasets, load_dataset
from vitcore.language import percent
from vitcore.runs import list_runs

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def test_photos_are_dropped_and_one_click_leads_to_their_figure(
    page: Page, server: str, picture_folder: Callable[..., Path]
) -> None:
    folder = picture_folder(("cats", "dogs", "owls"), count=10, name="pets")
    page.goto(server)
    drop(page, *sorted(folder.iterdir()))
    dropped = time.monotonic()
    button = page.get_by_role("button", name="Import and train")
    expect(button).to_be_visible()
    settled(page)
    button.click()

    # A first figure comes while the photos are read, and is gone once the final one is there.
    result = page.get_by_role("heading", name="The chosen classifier")
    first = page.get_by_text("So far, from 20 of 30 photos")
    expect(first.or_(result)).to_be_visible(timeout=300_000)
    print(f"first figure after {time.monotonic() - dropped:.1f} s, 1 click")
    expect(result).to_be_visible(timeout=300_000)
    print(f"final figure after {time.monotonic() - dropped:.1f} s, 1 click")

    # It is that of the run, and grew from the first.
    (run,) = list_runs()
    (dataset_id,) = list_datasets()["id"]
    assert run.state == "complete"
    assert load_dataset(dataset_id).class_counts == {"cats": 10, "dogs": 10, "owls": 10}
    settled(page)
    page.get_by_text("Details of this training").click()
    shown = page.get_by_test_id("stMetric").filter(has_text="Accuracy").first
    expect(shown).to_contain_text(percent(run.headline.accuracy))
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(3)  # growth, loss and scores
