"""Piles that are read only after a question, in a real browser: the answer decides the classes."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests._piles import CASES, Case, write_pile
from tests.browser._driving import drop, settled
from vitcore.dataset import list_datasets, load_dataset

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


@pytest.mark.parametrize(
    ("case", "question", "reading", "counts"),
    [
        (
            CASES["classes in the names of files"],
            "Only the file names say what the photos show.",
            "The class in the file name, such as 'hat' in 'hat.0.jpg'",
            "T_shirt (2) and hat (2)",
        ),
        (
            CASES["0/1 columns with several ones"],
            "Some photos have several labels, but only one class per photo is supported.",
            "One column of train.csv per class; photos with several labels are left out",
            "healthy (1) and rust (2); 1 photo is left out",
        ),
    ],
    ids=["names", "columns"],
)
def test_the_reading_that_is_offered_is_imported_once_it_is_chosen(
    page: Page, server: str, tmp_path: Path, case: Case, question: str, reading: str, counts: str
) -> None:
    page.goto(server)
    drop(page, write_pile(case, tmp_path))

    # Nothing is taken in silence: what was found is said, and nothing can be imported yet.
    expect(page.get_by_test_id("stAlert").filter(has_text=question)).to_be_visible()
    offered = page.get_by_test_id("stRadio").filter(has_text="How to read it")
    expect(offered).to_contain_text(counts)
    settled(page)
    buttons = page.get_by_role("button", name="Import", exact=True)
    expect(buttons).to_have_count(0)

    # Once it is chosen, its classes are shown with counts and a photo of each.
    offered.locator("label").filter(has_text=reading).click()
    photos = sum(case.classes.values())
    figures = page.get_by_test_id("stMetric")
    expect(figures.filter(has_text="Photos to import")).to_contain_text(str(photos))
    for label in case.classes:
        expect(page.get_by_role("img", name=label, exact=True)).to_be_visible()
    settled(page)
    buttons.click()
    expect(figures.filter(has=page.get_by_text("Photos", exact=True))).to_contain_text(str(photos))
    (dataset_id,) = list_datasets()["id"]
    assert load_dataset(dataset_id).class_counts == case.classes
