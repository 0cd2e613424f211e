"""A dropped folder becomes a dataset, and a wrong label is mended, in a real browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser._driving import choose, drop, settled
from vitcore.dataset import list_datasets, load_dataset

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def test_a_dropped_folder_is_imported_and_a_wrong_label_mended(
    page: Page, server: str, picture_folder: Callable[..., Path]
) -> None:
    folder = picture_folder(("cats", "dogs"), count=6, name="pets")
    (folder / "dogs" / "000.png").rename(folder / "cats" / "a dog.png")
    (folder / "dogs" / "notes.txt").write_text("no photo")

    # The folders of the classes are dropped, looked at, and imported.
    page.goto(server)
    drop(page, folder / "cats", folder / "dogs")
    expect(page.get_by_role("heading", name="Check before importing")).to_be_visible()
    figures = page.get_by_test_id("stMetric")
    expect(figures.filter(has_text="Photos to import")).to_contain_text("12")
    settled(page)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(figures.filter(has=page.get_by_text("Photos", exact=True))).to_contain_text("12")

    # The report names what was left out.
    page.get_by_text("Import report: 1 file skipped").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    (dataset_id,) = list_datasets()["id"]
    dataset = load_dataset(dataset_id)
    assert [item.name for item in dataset.skipped] == ["dogs/notes.txt"]
    assert dataset.class_counts == {"cats": 7, "dogs": 5}

    # The dog among the cats is ticked and moved.
    choose(page, "Class", "cats (7)")
    wrong = dataset.index["name"].tolist().index("cats/a dog.png")
    assert dataset.index["label"].tolist().index("cats") == 0
    expect(page.get_by_test_id("stCheckbox").filter(has_text="cats")).to_have_count(7)
    settled(page)
    page.get_by_test_id("stCheckbox").filter(has_text="cats").nth(wrong).click()
    expect(page.get_by_role("button", name="Untick all (1)")).to_be_visible()
    choose(page, "Move to class", "dogs")
    page.get_by_role("button", name="Move", exact=True).click()
    undo = page.get_by_role("button", name="Undo: Moved 1 image to 'dogs'")
    expect(undo).to_be_visible()
    expect(page.get_by_role("combobox", name="Class", exact=True)).to_have_value("cats (6)")
    assert load_dataset(dataset_id).class_counts == {"cats": 6, "dogs": 6}

    # A refresh is a new session, and finds it changed.
    page.reload()
    expect(undo).to_be_visible()
    settled(page)
    choose(page, "Class", "cats (6)")
    expect(page.get_by_test_id("stCheckbox").filter(has_text="cats")).to_have_count(6)
    choose(page, "Class", "dogs (6)")
    expect(page.get_by_test_id("stCheckbox").filter(has_text="dogs")).to_have_count(6)
