"""Back, forward and reload show what was looked at: page, section, dataset and classifier."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, expect

from tests.browser._driving import settled
from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.pipeline import train
from vitcore.training import Hyperparameters

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def test_back_and_reload_show_what_was_looked_at(
    page: Page, server: str, picture_folder: Callable[..., Path], tiny_backbone: str
) -> None:
    dataset = import_dataset(picture_folder(name="shades"))
    older, _ = (train(dataset, Hyperparameters(epochs=2), compute=Compute(tiny_backbone)) for _ in range(2))

    page.goto(f"{server}/evaluate?run={older.id}&section=curves")
    expect(page.get_by_role("radio", name="Curves")).to_be_checked()
    settled(page)
    page.get_by_test_id("stSidebar").get_by_role("link", name="Samples").click()
    expect(page.get_by_role("heading", name="Samples", exact=True)).to_be_visible()
    settled(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Evaluate", exact=True)).to_be_visible()
    expect(page.get_by_role("radio", name="Curves")).to_be_checked()
    settled(page)
    page.reload()
    expect(page.get_by_role("radio", name="Curves")).to_be_checked()
    settled(page)
    named = parse_qs(urlparse(page.url).query)
    assert named == {"dataset": [dataset.id], "run": [older.id], "section": ["curves"]}
