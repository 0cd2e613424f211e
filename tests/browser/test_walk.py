"""The main job in a real browser, on the sample set, with a tiny backbone."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser._driving import choose_backbone_file, settled
from vitcore.dataset import import_dataset, list_datasets, load_dataset
from vitcore.inference import load_classifier
from vitcore.language import percent
from vitcore.report import answer_sentence
from vitcore.runs import list_runs

pytestmark = pytest.mark.browser


def open_page(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebar").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def set_slider(page: Page, name: str, key: str, shown: str) -> None:
    page.get_by_role("slider", name=re.compile(f"^{name}")).press(key)
    expect(page.get_by_test_id("stSlider").filter(has_text=re.compile(f"^{name}"))).to_contain_text(shown)
    settled(page)


def test_sample_set_becomes_a_judged_classifier(
    page: Page, server: str, tiny_backbone: str, tmp_path: Path
) -> None:
    # Dataset: the sample set is there.
    import_dataset("sample")
    page.goto(server)
    expect(page.get_by_test_id("stMetric").filter(has_text="Photos")).to_contain_text("400")
    expect(page.get_by_test_id("stCheckbox")).to_have_count(24)

    dataset = load_dataset(list_datasets()["id"].iloc[0])

    # Train: several views and many epochs, so that there is time to look away.
    page.get_by_role("button", name="Train a classifier on these photos").click()
    choose_backbone_file(page, tiny_backbone)
    set_slider(page, "Epochs", "End", shown="1,000")
    set_slider(page, "Epochs", "ArrowLeft", shown="500")
    set_slider(page, "Views per image", "ArrowRight", shown="2")
    page.get_by_role("button", name="Start training").click()
    stop = page.get_by_role("button", name="Stop training")
    expect(stop).to_be_visible()

    # A refresh is a new session, and finds the running job; so does a second tab.
    page.reload()
    expect(stop).to_be_visible()
    second = page.context.new_page()
    second.goto(f"{server}/train")
    expect(second.get_by_role("button", name="Stop training")).to_be_visible()
    second.close()

    # The curves grow while it runs.
    curves = page.get_by_test_id("stVegaLiteChart")
    expect(curves.nth(1)).to_be_visible(timeout=120_000)

    # Stopped, it keeps what it has, and goes on where it was.
    settled(page)
    stop.click()
    go_on = page.get_by_role("button", name="Resume")
    expect(go_on).to_be_visible()
    run = list_runs()[0]
    assert run.state == "stopped"
    assert 0 < len(run.history) < 500
    settled(page)
    go_on.click()
    expect(stop).to_be_visible()
    expect(page.get_by_text("The chosen classifier")).to_be_visible(timeout=120_000)
    expect(stop).to_have_count(0)
    page.get_by_text("Details of this training").click()
    expect(curves.nth(1)).to_be_visible()
    run = list_runs()[0]
    assert run.state == "complete"
    assert run.history["epoch"].tolist() == list(range(1, 501))

    # Evaluate: the figures are those of the run.
    page.get_by_role("button", name="See what it gets right and wrong").click()
    shown = page.get_by_test_id("stMetric").filter(has_text=re.compile("^Accuracy"))
    expect(shown).to_contain_text(percent(run.headline.accuracy))
    expect(page.get_by_role("heading", name="Class by class")).to_be_visible()
    page.get_by_role("radio", name="Confusions").click()
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(1)

    # Samples: the mistakes are those of the run.
    page.get_by_role("button", name="See the photos behind the figures").click()
    wrong = int((run.predictions["true"] != run.predictions["predicted"]).sum())
    assert wrong > 0
    page.get_by_role("radio", name=f"Mistakes ({wrong})").click()
    expect(page.get_by_text(f"{wrong} of {len(run.predictions)} validation images")).to_be_visible()
    expect(page.get_by_test_id("stImage")).to_have_count(min(wrong, 24))
    expect(page.get_by_text("truly:").first).to_be_visible()

    # Predict: a photo and a file that is none.
    page.get_by_role("button", name="Try it on new photos").click()
    broken = tmp_path / "broken.jpg"
    broken.write_text("<html>not a picture</html>")
    photo = dataset.path(run.predictions["file"].iloc[0])
    (answer,) = load_classifier(run.folder).predict([photo])  # which has learned from that one as well
    page.locator("input[type=file]").set_input_files([photo, broken])
    expect(page.get_by_text("cannot be used")).to_be_visible()
    headline = answer_sentence(answer.label, answer.reason, answer.possible)
    expect(page.get_by_role("heading", name=headline, exact=True)).to_be_visible()
    share = f"{percent(answer.confidence)} confident" if answer.sure else percent(answer.confidence)
    expect(page.get_by_text(share).first).to_be_visible()

    # Runs: it is there.
    open_page(page, "Runs")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()


def test_a_link_to_a_page_works_as_the_very_first_visit(page: Page, server: str) -> None:
    page.goto(f"{server}/runs")
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    names = page.get_by_test_id("stSidebar").get_by_role("link")
    expect(names).to_have_text(
        [re.compile(name) for name in ("Dataset", "Train", "Evaluate", "Samples", "Predict", "Runs")]
    )


def test_nothing_is_asked_of_the_internet(page: Page, server: str) -> None:
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url) if server not in request.url else None)
    page.goto(server)
    expect(page.get_by_role("button", name="Try it with handwritten digits")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert [url for url in outside if not url.startswith(("data:", "blob:"))] == []
