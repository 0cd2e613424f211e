"""Photos in series, from the import to a second training, and every figure on the way, in a real browser."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser._driving import choose_backbone_file, settled
from vitcore.dataset import list_datasets, load_dataset
from vitcore.language import percent
from vitcore.runs import Run, list_runs

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

PER_SERIES = 4  # photos
SeriesFolder = Callable[[str, Iterable[int]], Path]


@pytest.fixture
def series_folder(tmp_path: Path) -> SeriesFolder:
    """Makes a folder of two classes, in which the colour says which series a photo is of, and little else."""

    def make(name: str, numbers: Iterable[int]) -> Path:
        root = tmp_path / name / "pets"
        for number in numbers:
            folder = root / ("cats" if number % 2 else "dogs")
            folder.mkdir(parents=True, exist_ok=True)
            random = np.random.default_rng(number)
            tint = random.uniform(40, 215, 3)
            for photo in range(1, PER_SERIES + 1):
                pixels = (tint + random.normal(0, 10, (48, 64, 3))).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"p{number:02}_{photo}.png")
        return root

    return make


def bring_in(page: Page, folder: Path) -> None:
    page.locator("input[type=file][webkitdirectory]").set_input_files(folder)
    expect(page.get_by_role("heading", name="Check before importing")).to_be_visible()
    settled(page)


def expect_metric(page: Page, name: str, value: str) -> None:
    """Wait for a figure in large type."""
    shown = page.get_by_test_id("stMetric").filter(has=page.get_by_text(name, exact=True))
    expect(shown.get_by_test_id("stMetricValue")).to_have_text(value)


def expect_headline_everywhere(page: Page, run: Run) -> None:
    """From Train to Evaluate: the sidebar and both pages give the figure of the run, and that for series."""
    assert run.facts.cross_validation is not None
    singly = run.facts.cross_validation.singly
    assert singly is not None
    assert singly.accuracy > run.headline.accuracy + 0.2  # so that one cannot stand for the other
    classifier = page.get_by_role("combobox", name=re.compile("Trained classifier"))
    low, high = (round(100 * end) for end in (run.headline.low, run.headline.high))
    new = page.get_by_text(f"Out of 100 photos of a new series, expect {low} to {high} right.")
    both = page.get_by_text(f"for a new series, none of whose photos it has seen; {percent(singly.accuracy)}")
    expect(page.get_by_text("The chosen classifier")).to_be_visible()
    expect(classifier).to_have_value(re.compile(f"^{percent(run.headline.accuracy)} "))
    expect(new).to_be_visible()
    expect(both).to_be_visible()
    expect_metric(page, "Accuracy: new series", percent(run.headline.accuracy))
    expect_metric(page, "Accuracy: known series", percent(singly.accuracy))

    page.get_by_role("button", name="See what it gets right and wrong").click()
    expect(page.get_by_role("heading", name="All figures")).to_be_visible()
    expect(classifier).to_have_value(re.compile(f"^{percent(run.headline.accuracy)} "))
    expect(new).to_be_visible()
    expect(both).to_be_visible()
    expect_metric(page, "Accuracy: new series", percent(run.headline.accuracy))


def test_series_are_kept_together_and_two_trainings_compared_on_the_same_photos(
    page: Page, server: str, series_folder: SeriesFolder, tiny_backbone: str
) -> None:
    # Twelve series come in, are noticed, and are kept together.
    page.goto(server)
    bring_in(page, series_folder("first", range(1, 13)))
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("48 photos look like 12 series")).to_be_visible()
    settled(page)
    keep = page.get_by_role("button", name="Keep each series together")
    keep.click()
    expect(page.get_by_text("Photos that belong together: 12 groups")).to_be_visible()
    expect(keep).to_have_count(0)
    dataset_id = list_datasets()["id"].iloc[0]
    assert load_dataset(dataset_id).group_count == 12

    # One figure for new series, another one for series that it knows.
    settled(page)
    page.get_by_role("button", name="Train a classifier on these photos").click()
    choose_backbone_file(page, tiny_backbone)
    page.get_by_text("Quick", exact=True).click()
    settled(page)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("The chosen classifier")).to_be_visible()
    (first,) = list_runs()
    assert first.headline.images == 48
    assert first.hyperparameters.optimizer == "lda"
    expect_headline_everywhere(page, first)

    # Four more series join the same dataset, and fall under the same rule.
    page.get_by_test_id("stSidebar").get_by_role("link", name="Dataset", exact=True).click()
    more = page.get_by_text("Bring in more photos")
    expect(more).to_be_visible()
    settled(page)
    more.click()
    bring_in(page, series_folder("more", range(13, 17)))
    page.get_by_text("Add to pets").click()
    settled(page)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Photos that belong together: 16 groups")).to_be_visible()
    expect(page.get_by_role("combobox", name="Class", exact=True)).to_have_value("All classes (64)")
    assert list(list_datasets()["id"]) == [dataset_id]
    assert load_dataset(dataset_id).group_count == 16

    # The second training is compared with the first, on the photos of the first, before its own figures.
    settled(page)
    page.get_by_role("button", name="Train a classifier on these photos").click()
    start = page.get_by_role("button", name="Start training")
    expect(start).to_be_visible()
    settled(page)
    start.click()
    fair = page.get_by_text(re.compile("^On the 48 photos that both trainings were judged on, "))
    expect(fair).to_be_visible()
    expect(page.get_by_text("These photos come from 12 groups")).to_be_visible()
    settled(page)
    page.get_by_text("Details of this training").click()
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    figures = page.get_by_test_id("stMetric").first.bounding_box()
    sentence = fair.bounding_box()
    assert figures is not None
    assert sentence is not None
    assert sentence["y"] + sentence["height"] < figures["y"]
    second, _ = list_runs()
    assert second.headline.images == 64
    expect_headline_everywhere(page, second)
