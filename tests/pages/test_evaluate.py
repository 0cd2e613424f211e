import json
import re
import threading

import pytest

from app.text import decimals, percent, plain
from vitcore.dataset import import_dataset
from vitcore.pipeline import train
from vitcore.training import Hyperparameters


def charts(at):
    """The Vega-Lite specifications of a page."""
    return [json.loads(chart.proto.spec) for chart in at.get("vega_lite_chart")]


def test_the_figures_are_those_of_the_run(open_page, trained):
    evaluation = trained.run.evaluation
    assert 0 < evaluation.accuracy < 1
    at = open_page("evaluate")
    assert [metric.value for metric in at.metric] == [
        percent(evaluation.accuracy),
        percent(evaluation.balanced_accuracy),
        decimals(evaluation.cohen_kappa),
    ]


def test_the_table_has_a_row_for_every_metric(open_page, trained):
    metrics = trained.run.evaluation.metrics
    table = open_page("evaluate").dataframe[0].value
    assert len(table) == len(metrics)
    digits = [re.sub(r"[^\d.]", "", text) for text in table["value"]]
    for shown, metric in zip(digits, metrics.values(), strict=True):
        assert float(shown) == pytest.approx(metric.value, abs=6e-4) or float(shown) == pytest.approx(
            100 * metric.value, abs=6e-2
        )


def test_the_weakest_class_comes_first(open_page, trained):
    table = open_page("evaluate").dataframe[1].value
    assert sorted(table["class"]) == list(trained.run.classes)
    assert list(table["recall"]) == sorted(table["recall"])
    assert table["support"].sum() == trained.run.evaluation.images


def test_the_most_frequent_mistakes_are_named(open_page, ui, trained):
    confusion = trained.run.evaluation.confusion.copy()
    for number in range(len(confusion)):
        confusion[number, number] = 0
    true, predicted = divmod(int(confusion.argmax()), len(confusion))
    said = " ".join(text for text in ui.texts(open_page("evaluate")) if "taken for" in text)
    classes = [plain(trained.run.classes[number]) for number in (true, predicted)]
    first = said.partition("\n- ")[2].partition("\n")[0]
    assert re.findall("|".join(classes), first) == classes
    assert str(confusion.max()) in first


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.usefixtures("trained")
def test_the_confusion_can_be_shown_by_counts_and_by_shares(open_page, theme):
    at = open_page("evaluate", theme)
    colour = []
    for by_row in (False, True):
        at.toggle(key="by_row").set_value(by_row).run()
        assert not at.exception
        colour.append(charts(at)[0]["layer"][0]["encoding"]["color"]["field"])
    assert colour == ["count", "share"]


@pytest.mark.usefixtures("trained")
def test_the_page_has_the_confusion_and_the_curves(open_page):
    assert len(charts(open_page("evaluate"))) == 3


@pytest.mark.usefixtures("trained")
def test_figures_and_predictions_can_be_taken_along(open_page):
    assert len(open_page("evaluate").download_button) == 2


@pytest.fixture
def stopped(picture_folder, tiny_backbone):
    """A run that was asked to stop after some epochs."""
    stop = threading.Event()

    def on_progress(progress):
        if progress.phase == "fit" and progress.done:
            stop.set()

    return train(
        import_dataset(picture_folder()),
        Hyperparameters(epochs=1000, batch_size=1),
        backbone=tiny_backbone,
        on_progress=on_progress,
        stop=stop,
    )


@pytest.mark.parametrize("page", ["train", "evaluate", "samples", "predict", "runs"])
def test_a_stopped_run_can_be_looked_at(open_page, stopped, page):
    assert stopped.state == "stopped"
    assert len(stopped.history) < 1000
    assert open_page(page).session_state["run"] == stopped.id


@pytest.mark.usefixtures("stopped")
def test_a_stopped_run_is_said_to_be_stopped(open_page):
    assert len(open_page("evaluate").info) == 1


def amend_state(run, **facts):
    state = json.loads((run.folder / "state.json").read_text())
    (run.folder / "state.json").write_text(json.dumps({**state, **facts}))


@pytest.mark.parametrize(("without", "said"), [(0.5, "50.0"), (None, "no other is left")])
def test_a_leak_of_a_ready_made_split_is_told_with_both_figures(open_page, trained, without, said):
    amend_state(trained.run, leak={"images": 3, "accuracy": 0.75, "accuracy_without": without})
    (warning,) = open_page("evaluate").warning
    assert "3 of the validation images" in warning.value
    assert "75.0" in warning.value
    assert said in warning.value


def test_the_figures_of_a_cross_validation_are_told(open_page, trained):
    amend_state(trained.run, cross_validation={"folds": 3, "accuracy": [0.5, 0.6, 0.7]})
    (info,) = open_page("evaluate").info
    for figure in ("3 other divisions", "60.0", "10.0", "50.0", "70.0"):
        assert figure in info.value
