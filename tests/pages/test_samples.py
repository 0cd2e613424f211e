import re

import pytest

from app.text import percent
from vitcore.dataset import import_dataset
from vitcore.pipeline import train
from vitcore.training import Hyperparameters

LOSS, SURE_FIRST, UNSURE_FIRST, NAME = range(4)


def pictures(at):
    return len(at.image)


def counts(at):
    """How many images pass the filters, and of how many."""
    found = [
        numbers for caption in at.caption if len(numbers := re.findall(r"[\d,]+(?= )", caption.value)) == 2
    ]
    return [int(number.replace(",", "")) for number in found[0]]


def confidences(at):
    """The confidences under the pictures, in order."""
    return [
        float(found[1])
        for caption in at.caption
        if (found := re.search(r"([\d.]+)\N{NO-BREAK SPACE}%", caption.value))
    ]


def choose(at, show="all", true=None, predicted=None, confidence=(0, 100)):
    at.segmented_control(key="show").set_value(show)
    for key, label in (("true_class", true), ("predicted_class", predicted)):
        if label is not None:
            at.selectbox(key=key).select(label)
    at.slider(key="confidence").set_range(*confidence)
    at.run()
    assert not at.exception
    return at


@pytest.mark.parametrize(
    ("show", "true", "predicted", "confidence"),
    [
        ("all", None, None, (0, 100)),
        ("right", None, None, (0, 100)),
        ("wrong", None, None, (0, 100)),
        ("all", "blue", None, (0, 100)),
        ("all", None, "green", (0, 100)),
        ("wrong", "blue", "green", (0, 100)),
        ("right", "blue", "green", (0, 100)),
        ("all", None, None, (50, 80)),
        ("wrong", "green", None, (40, 100)),
        ("all", None, None, (100, 100)),
    ],
)
def test_the_filters_pass_what_they_should(open_page, trained, show, true, predicted, confidence):
    rows = trained.run.predictions
    keep = rows["confidence"].between(confidence[0] / 100, confidence[1] / 100)
    keep &= {
        "all": rows["true"] != "",
        "right": rows["true"] == rows["predicted"],
        "wrong": rows["true"] != rows["predicted"],
    }[show]
    if true:
        keep &= rows["true"] == true
    if predicted:
        keep &= rows["predicted"] == predicted
    at = choose(open_page("samples"), show, true, predicted, confidence)
    assert counts(at) == [keep.sum(), len(rows)]
    assert pictures(at) == min(24, keep.sum())
    assert len(at.info) == (keep.sum() == 0)


def test_there_are_both_right_and_wrong_ones_to_look_at(trained):
    rows = trained.run.predictions
    assert 0 < (rows["true"] == rows["predicted"]).sum() < len(rows)
    assert len(rows) > 24


def test_every_image_is_on_some_page(open_page, trained):
    at = open_page("samples")
    shown = pictures(at)
    at.get("pagination")[0].select(2).run()
    assert shown + pictures(at) == len(trained.run.predictions)


@pytest.mark.usefixtures("trained")
def test_a_filter_that_leaves_one_page_shows_it(open_page):
    at = open_page("samples")
    at.get("pagination")[0].select(2).run()
    choose(at, "wrong")
    assert not at.get("pagination")
    assert pictures(at) == counts(at)[0] > 0


@pytest.mark.parametrize(
    ("order", "column", "ascending"),
    [
        (LOSS, "loss", False),
        (SURE_FIRST, "confidence", False),
        (UNSURE_FIRST, "confidence", True),
        (NAME, "name", True),
    ],
)
def test_the_images_come_in_the_chosen_order(open_page, trained, order, column, ascending):
    at = open_page("samples")
    at.selectbox(key="order").select_index(order).run()
    rows = trained.run.predictions.sort_values(column, ascending=ascending, kind="stable")
    expected = [percent(value) for value in rows["confidence"][:24]]
    assert [f"{value:.1f}\N{NO-BREAK SPACE}%" for value in confidences(at)] == expected


def test_a_mistake_names_both_classes(open_page, trained):
    at = choose(open_page("samples"), "wrong", true="green")
    rows = trained.run.predictions
    rows = rows[(rows["true"] == "green") & (rows["predicted"] != "green")]
    named = [caption.value for caption in at.caption if "**green**" in caption.value]
    assert len(named) == len(rows) > 0
    assert all(f"**{rows['predicted'].iloc[0]}**" in text for text in named)


def test_filters_on_a_class_do_not_hinder_another_run(
    open_page, trained, picture_folder, tiny_backbone, workspace
):
    pets = import_dataset(picture_folder(("cat", "dog"), name="pets"))
    train(pets, Hyperparameters(epochs=2), backbone=tiny_backbone, workspace=workspace)
    at = open_page("samples")
    at.sidebar.selectbox(key="dataset").select(trained.dataset.id).run()
    choose(at, true="blue", predicted="green")
    at.sidebar.selectbox(key="dataset").select(pets.id).run()
    assert not at.exception
    assert counts(at)[0] == counts(at)[1]
