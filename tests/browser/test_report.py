"""The report of a run in a real browser: by itself, whole, on a page and on paper."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.language import LANGUAGES
from vitcore.pipeline import train, write_report
from vitcore.training import Hyperparameters

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def reports(picture_folder: Callable[..., Path], tiny_backbone: str, tmp_path: Path) -> dict[str, Path]:
    """Of one run, in each language."""
    dataset = import_dataset(picture_folder(("blue", "green", HOSTILE)))
    run = train(dataset, Hyperparameters(epochs=3), compute=Compute(tiny_backbone))
    return {
        language: write_report(run.id, tmp_path / f"{language}.html", language=language)
        for language in LANGUAGES
    }


def test_a_report_stands_by_itself(page: Page, reports: dict[str, Path]) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.context.set_offline(True)
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    for file in reports.values():
        page.goto(file.as_uri())
        expect(page.get_by_text(HOSTILE).first).to_be_visible()
    # What came from elsewhere, or was tried, and what the browser refused or complained of.
    assert {url for url in asked if not url.startswith("data:")} == {
        file.as_uri() for file in reports.values()
    }
    assert said == []


def test_charts_and_pictures_are_drawn_and_fit(page: Page, reports: dict[str, Path]) -> None:
    page.goto(reports["es"].as_uri())
    marks = page.locator("svg").evaluate_all(
        "charts => charts.map(chart => chart.querySelectorAll('[class*=mark-] > *').length)"
    )
    assert len(marks) >= 7
    assert min(marks) > 3
    loaded = page.locator("img").evaluate_all("pictures => pictures.map(picture => picture.naturalWidth)")
    assert len(loaded) >= 8
    assert min(loaded) > 0
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        room = page.evaluate("document.querySelector('main').getBoundingClientRect().right")
        edges = page.locator("svg, img").evaluate_all(
            "drawn => drawn.map(one => one.getBoundingClientRect().right)"
        )
        assert max(edges) <= room


def test_it_prints_on_several_pages(page: Page, reports: dict[str, Path]) -> None:
    page.goto(reports["en"].as_uri())
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert 4 <= printed.count(b"/Type /Page\n") <= 20
    assert b"/MediaBox [0 0 594" in printed or b"/MediaBox [0 0 595" in printed  # A4
    page.emulate_media(media="print")
    for chart in page.locator(".drawing").all():
        # Lower than a page, and kept on one.
        assert chart.bounding_box()["height"] < 980
        assert chart.evaluate("one => getComputedStyle(one.closest('figure')).breakInside") == "avoid"
