"""Photos dropped on the Predict page: answers with maps, a refusal, a table, and a correction."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from vitcore.compute import Compute
from vitcore.dataset import Dataset, import_dataset, load_dataset
from vitcore.pipeline import train
from vitcore.training import Hyperparameters

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


@pytest.fixture
def dataset(picture_folder: Callable[..., Path], tiny_backbone: str) -> Dataset:
    made = import_dataset(picture_folder(name="shades"))
    train(made, Hyperparameters(epochs=4), compute=Compute(tiny_backbone))
    return made


def test_photos_are_dropped_answered_taken_along_and_corrected(
    page: Page, dataset: Dataset, server: str, picture_folder: Callable[..., Path], tmp_path: Path
) -> None:
    new = picture_folder(count=1, name="new")
    photos = []
    for label in ("blue", "green", "red"):
        photos.append(new / f"{label}-new.png")
        (new / label / "000.png").rename(photos[-1])
    broken = new / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no photo")

    page.goto(f"{server}/predict")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files([*photos, broken])
    cards = page.locator("h3")
    expect(cards).to_have_count(3)
    expect(page.get_by_test_id("stImage")).to_have_count(6)  # each photo, and its map
    refusal = page.get_by_test_id("stAlert").filter(has_text="broken.jpg")
    expect(refusal).to_have_count(1)
    expect(refusal).to_contain_text("cannot be used")

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Answers as CSV").click()
    table = tmp_path / "answers.csv"
    waiting.value.save_as(table)
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [*(photo.name for photo in photos), "broken.jpg"]
    assert [row["label"] for row in rows][:3] == cards.all_text_contents()
    assert rows[3]["label"] == ""
    assert rows[3]["error"]

    page.get_by_role("button", name="Wrong? Say what it is").first.click()
    page.get_by_role("combobox", name="What it really shows").fill("violet")
    page.get_by_role("option", name="violet").click()
    page.get_by_role("button", name="Add to the dataset").click()
    expect(page.get_by_text("Added to shades as violet")).to_be_visible()
    assert load_dataset(dataset.id).class_counts == {**dataset.class_counts, "violet": 1}

    page.get_by_test_id("stSidebar").get_by_role("link", name="Dataset").click()
    expect(page.get_by_text("violet").first).to_be_visible()
