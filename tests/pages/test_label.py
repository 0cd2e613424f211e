"""The page that labels photos; the grid itself is driven by a browser, in tests/browser."""

from collections.abc import Callable

import pytest

from app.components import photo_grid
from vitcore.compute import Compute
from vitcore.dataset import Dataset, import_dataset, label_images, load_dataset
from vitcore.layouts import Reading
from vitcore.pipeline import embed_for_labelling


@pytest.fixture
def heap(picture_folder, tmp_path) -> Dataset:
    """Photos without labels."""
    folder = tmp_path / "heap"
    folder.mkdir()
    for photo in picture_folder(count=4).glob("*/*"):
        photo.rename(folder / f"{photo.parent.name}-{photo.name}")
    return import_dataset(folder, reading=Reading(unlabelled=True))


@pytest.fixture
def known_space(heap, tiny_backbone, monkeypatch) -> None:
    """The photos were looked at before, by a tiny backbone."""
    space = embed_for_labelling(heap, compute=Compute(backbone=tiny_backbone))
    monkeypatch.setattr("app.label.session._spaces", lambda: {heap.id: space})


@pytest.fixture
def answered(monkeypatch):
    """Lets the grid answer once, instead of a person; gives what was drawn."""
    drawn: list[dict] = []

    def answer_with(answer: Callable[[dict], dict]) -> list[dict]:
        answers = [answer]

        class Found:
            answer = None

        def draw(*, data, **_: object) -> Found:
            drawn.append(data)
            found = Found()
            if answers:
                found.answer = {"page": data["page"], **answers.pop()(data)}
            return found

        monkeypatch.setattr(photo_grid, "_component", lambda: draw)
        return drawn

    return answer_with


def texts(at) -> str:
    return " ".join(element.value for element in (*at.markdown, *at.info, *at.success, *at.caption))


@pytest.mark.usefixtures("heap")
def test_a_set_without_labels_leads_to_the_page_that_labels(open_page, ui):
    at = open_page("dataset")
    assert "12 photos have no label yet" in texts(at)
    assert ui.find_button(at, "label_these") is not None
    at = open_page("train")
    assert "None of these photos has a label yet" in texts(at)


@pytest.mark.usefixtures("known_space")
def test_a_group_gets_a_name(open_page, answered):
    drawn = answered(lambda data: {"labels": {str(data["photos"][0]["id"]): "cup"}, "left_out": []})
    at = open_page("label")
    assert not at.exception
    assert "1 labelled by people" in texts(at)
    assert drawn[0]["naming"]
    assert drawn[0]["page"] != drawn[-1]["page"]


@pytest.mark.usefixtures("known_space")
def test_pages_of_guesses_and_the_end(heap, open_page, answered):
    labels = {row.image_id: row.name.partition("-")[0] for row in heap.rows.itertuples() if row.image_id % 2}
    label_images(heap, labels)
    drawn = answered(lambda _: {"undo": True})
    at = open_page("label")
    assert not at.exception
    assert "0 labelled by people" in texts(at)
    label_images(load_dataset(heap.id), labels)
    for way in ("teach", "finish"):
        at.button_group(key="label_section").set_value(way).run()
        assert not at.exception
    at.slider(key="label_sure").set_value(50).run()
    assert {photo["guess"] for photo in drawn[-1]["photos"]} <= {"blue", "green", "red"}


@pytest.mark.parametrize(
    "value",
    [None, "x", {"page": "another", "labels": {"0": "cup"}}, {"page": "now", "labels": {"99": "cup"}}],
)
def test_an_answer_to_another_page_is_none(value):
    assert photo_grid._checked(value, "now", {0, 1}) is None
