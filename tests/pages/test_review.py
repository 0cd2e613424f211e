"""What a closer look at a run shows, and how a run does elsewhere; each on a page of its own."""

import pytest
from streamlit.testing.v1 import AppTest

from app.shared.state import job_queue
from tests._variants import first_of
from vitcore.compute import Compute
from vitcore.dataset import confirmed, import_dataset, load_dataset, relabel, rename_class
from vitcore.language import percent
from vitcore.pipeline import load_external, load_review, review_run, train
from vitcore.runs import load_run

MODULES = {
    "draw_suspect_labels": "samples.suspect_labels",
    "draw_forecast": "evaluate.forecast",
    "draw_external_validation": "evaluate.external_validation",
}

PAGE = """
import streamlit as st
from app.{module} import {function}
from vitcore.dataset import load_dataset
from vitcore.runs import load_run
run = load_run("{run}")
st.session_state.setdefault("seen_jobs", set())
{function}(run, load_dataset(run.config.dataset.id))
"""


@pytest.fixture
def draw(trained):
    """A page with nothing but one function of the app on it."""

    def draw(function: str) -> AppTest:
        script = PAGE.format(module=MODULES[function], function=function, run=trained.run.id)
        at = AppTest.from_string(script, default_timeout=60).run()
        assert not at.exception
        return at

    return draw


@pytest.fixture
def reviewed(trained):
    review = review_run(trained.run.id)
    trained.run = load_run(trained.run.id)
    return review


def page_texts(at: AppTest) -> str:
    kinds = ("markdown", "caption", "info")
    return "\n".join(element.value for kind in kinds for element in getattr(at, kind))


@pytest.mark.parametrize("function", ["draw_suspect_labels", "draw_forecast"])
def test_a_closer_look_is_taken_on_request(draw, trained, ui, finish, function):
    at = draw(function)
    assert load_review(trained.run) is None
    finish(ui.press(at, "look_closer"))
    assert load_review(trained.run) is not None
    assert ui.find_button(at, "look_closer") is None


def test_while_it_is_taken_it_can_be_stopped(draw, ui, hold):
    held = hold(kind="review")
    at = draw("draw_suspect_labels")
    ui.press(at, f"stop_{held.job.id}")
    assert held.job.stop.is_set()


def test_a_label_can_be_kept_and_doubted_again(draw, trained, reviewed, ui):
    at = draw("draw_suspect_labels")
    first = int(reviewed.labels["image_id"].iloc[0])
    ui.press(at, f"keep_{first}")
    data = load_dataset(trained.run.config.dataset.id)
    assert confirmed(data) == {first}
    assert ui.find_button(at, f"keep_{first}") is None
    ui.press(at, f"doubt_{first}")
    assert confirmed(data) == set()
    assert ui.find_button(at, f"keep_{first}") is not None


@pytest.mark.parametrize("what", first_of(["move", "drop"]))
def test_a_photo_can_be_moved_or_taken_out_and_that_undone(draw, trained, reviewed, ui, what):
    at = draw("draw_suspect_labels")
    row = reviewed.labels.iloc[0]
    image_id = int(row["image_id"])
    ui.press(at, f"{what}_{image_id}")
    rows = load_dataset(trained.run.config.dataset.id).rows.set_index("image_id")
    if what == "move":
        assert rows.loc[image_id, "label"] == row["suggested"] != row["given"]
    else:
        assert rows.loc[image_id, "excluded"]
    assert ui.find_button(at, f"keep_{image_id}") is None
    ui.press(at, "undo_label")
    rows = load_dataset(trained.run.config.dataset.id).rows.set_index("image_id")
    assert (rows.loc[image_id, "label"], rows.loc[image_id, "excluded"]) == (row["given"], False)
    assert ui.find_button(at, f"keep_{image_id}") is not None


def test_suspects_come_alone_at_first(draw, reviewed):
    at = draw("draw_suspect_labels")
    suspects = int(reviewed.labels["suspect"].sum())
    assert 0 < suspects < len(reviewed.labels)
    assert f"**{suspects} suspects** are left" in page_texts(at)
    shown = [button for button in at.button if (button.key or "").startswith("keep_")]
    assert len(shown) == min(suspects, 24)


@pytest.mark.usefixtures("reviewed")
def test_after_changes_a_new_training_is_offered(draw, ui):
    at = draw("draw_suspect_labels")
    assert ui.find_button(at, "retrain") is None
    ui.press(at, "move_")
    assert ui.find_button(at, "retrain") is not None


@pytest.mark.usefixtures("reviewed")
def test_the_new_training_is_chosen_when_it_is_done(open_section, trained, ui, finish):
    at = open_section("samples", "labels")
    ui.press(at, "move_")
    ui.press(at, "retrain")
    finish(at)
    chosen = load_run(at.session_state["run"])
    assert chosen.id != trained.run.id
    assert chosen.hyperparameters == trained.run.hyperparameters
    assert chosen.config.dataset.version == 2
    assert at.session_state["compared_with"] == trained.run.id


def test_a_new_training_is_compared_with_the_one_before(draw, trained, reviewed, tiny_backbone):
    first = int(reviewed.labels["image_id"].iloc[0])
    data = relabel(trained.dataset, [first], reviewed.labels["suggested"].iloc[0])
    before = trained.run
    trained.run = train(data, before.hyperparameters, compute=Compute(tiny_backbone, device="cpu"))
    review_run(trained.run.id)
    at = draw("draw_suspect_labels")
    assert "Before your changes" not in page_texts(at)
    at.session_state["compared_with"] = before.id
    at.run()
    assert f"Before your changes: **{percent(before.evaluation.accuracy)}**" in page_texts(at)


@pytest.mark.usefixtures("reviewed")
def test_what_more_photos_bring_is_told(draw):
    at = draw("draw_forecast")
    assert len(at.get("vega_lite_chart")) == 1
    text = page_texts(at)
    assert "more photos" in text
    if "Too few to say" not in text:
        assert "in 19 of 20 cases" in text
    assert "of one class" in text


# --- elsewhere ------------------------------------------------------------------------------------


def test_without_another_dataset_there_is_nothing_to_judge_on(draw, ui):
    at = draw("draw_external_validation")
    assert "no other dataset" in page_texts(at)
    assert ui.find_button(at, "elsewhere") is None


def test_a_run_is_judged_on_another_dataset(draw, trained, picture_folder, ui, finish):
    import_dataset(picture_folder(count=5, name="other"), name="ExternalEvaluation")
    at = draw("draw_external_validation")
    finish(ui.press(at, "elsewhere"))
    assert job_queue().jobs()[0].snapshot.state == "complete"
    (found,) = load_external(trained.run)
    assert found.evaluation.images == 15
    assert any(percent(found.evaluation.accuracy) in element.label for element in at.expander)
    assert len(at.get("vega_lite_chart")) == 1


def test_classes_that_the_classifier_does_not_know_cannot_be_judged(draw, picture_folder, ui):
    data = import_dataset(picture_folder(("red",), count=5, name="other"), name="ExternalEvaluation")
    rename_class(data, "red", "magenta")
    at = draw("draw_external_validation")
    assert ui.find_button(at, "elsewhere").disabled
    assert "None of these classes is known" in page_texts(at)
