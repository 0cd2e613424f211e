"""The camera: photos taken by holding a button become a dataset, and a classifier answers what it sees."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser._driving import settled
from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.pipeline import train
from vitcore.training import Hyperparameters

pytestmark = pytest.mark.browser


def several(page: Page, label: str) -> Locator:
    """That several photos of a class have been kept."""
    return page.get_by_text(re.compile(rf"\b{label}: ([3-9]|\d\d+)\b"))


def test_photos_are_recorded_and_live_answers_come(
    page: Page, server: str, picture_folder: Callable[..., Path], tiny_backbone: str
) -> None:
    page.goto(server)
    page.get_by_role("radio", name="Take photos with the camera").click()
    hold = page.get_by_role("button", name="Hold to take photos")
    expect(hold).to_be_disabled()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_role("button", name="Stop the camera")).to_be_visible()

    # By mouse, and by keyboard.
    field = page.get_by_role("textbox", name="Class of the photos")
    field.fill("cups")
    hold.hover()
    page.mouse.down()
    expect(several(page, "cups")).to_be_visible()
    page.mouse.up()
    field.fill("left/right")  # a class, and no folder in a folder
    hold.focus()
    page.keyboard.down(" ")
    expect(several(page, "left-right")).to_be_visible()
    page.keyboard.up(" ")
    check = page.get_by_role("button", name="Check these photos")
    expect(check).to_be_enabled()
    check.click()
    expect(page.get_by_role("heading", name="Check before importing")).to_be_visible()
    expect(page.get_by_test_id("stImage").locator("img")).to_have_count(2)  # one of each class
    expect(page.get_by_text(re.compile("^Photos left out"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()

    # What a classifier makes of a picture unlike all it learned from, as fast as frames are answered.
    train(import_dataset(picture_folder()), Hyperparameters(epochs=2), compute=Compute(tiny_backbone))
    page.goto(f"{server}/predict")
    page.get_by_role("radio", name="Live camera").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator(".camera")).to_have_attribute("data-answers", re.compile(r"^([5-9]|\d\d+)$"))
    expect(page.locator(".camera .headline")).to_have_text(re.compile("^(Not sure: .+|blue|green|red)$"))
    page.get_by_role("button", name="Stop the camera").click()
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    expect(page.locator(".camera .headline")).to_be_hidden()
    settled(page)
