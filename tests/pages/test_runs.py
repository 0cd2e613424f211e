import json
import shutil
from collections import Counter

import pytest

from app.shared.state import job_queue
from vitcore.language import decimals, percent
from vitcore.records import plain_values
from vitcore.runs import list_runs, load_run


@pytest.fixture
def tick(ui):
    return ui.tick


def table(at):
    return at.dataframe[0].value


def copy_run(run, run_id, **facts):
    """Another run with the same results; `facts` replaces what is known of its course."""
    folder = run.folder.with_name(run_id)
    shutil.copytree(run.folder, folder)
    if facts:
        (folder / "state.json").write_text(json.dumps({"since": "2026-11-23T10:00:00+00:00", **facts}))
    return load_run(run_id)


def without_results(run):
    for name in ("evaluation.json", "predictions.csv", "probabilities.npy"):
        (run.folder / name).unlink()
    shutil.rmtree(run.folder / "model")
    return run


@pytest.fixture
def older(trained):
    return copy_run(trained.run, "20200101-000000-00000a")


@pytest.fixture
def interrupted(trained):
    """A run that says it is running while nobody holds its lock."""
    return without_results(copy_run(trained.run, "20990101-000000-00000a", state="running"))


@pytest.fixture
def failed(trained):
    facts = {"state": "failed", "message": "The loss grew beyond all bounds."}
    return without_results(copy_run(trained.run, "20990101-000000-00000b", **facts))


def test_without_runs_the_page_leads_to_the_training(open_page, ui):
    at = ui.press(open_page("runs"), "empty_train")
    assert ui.current_page(at) == "Train"


def test_every_run_has_a_row(open_page, trained, older, interrupted, failed):
    rows = table(open_page("runs"))
    assert len(rows) == len({run.id for run in (trained.run, older, interrupted, failed)}) == 4
    assert Counter(rows["state"]) == {"complete": 2, "interrupted": 1, "failed": 1}


def test_a_row_has_the_figures_of_its_run(open_page, trained):
    (row,) = table(open_page("runs")).to_dict("records")
    evaluation = trained.run.facts.headline_evaluation(trained.run.evaluation)
    assert row["dataset"] == "My photos, version 1"
    assert row["accuracy"] == f"{percent(evaluation.accuracy)} (cross-validated)"
    assert row["kappa"] == f"{decimals(evaluation.cohen_kappa)} (cross-validated)"
    assert row["epochs"].split()[0] == "4"


def test_a_run_can_be_opened(open_page, ui, trained, older, tick):
    at = tick(open_page("runs"), 1)
    ui.press(at, "open")
    assert ui.current_page(at) == "Evaluate"
    assert at.session_state["run"] == older.id != trained.run.id


def test_the_settings_of_a_run_can_be_looked_at(open_page, trained, tick):
    (shown,) = tick(open_page("runs"), 0).json
    assert json.loads(shown.value) == plain_values(trained.run.config)


@pytest.mark.thorough
def test_a_run_can_be_repeated(open_page, finish, ui, trained, tick):
    at = ui.press(tick(open_page("runs"), 0), "repeat")
    assert ui.current_page(at) == "Train"
    finish(at)
    assert at.session_state["run"] != trained.run.id
    repeated = load_run(at.session_state["run"])
    assert repeated.state == "complete"
    assert repeated.config.hyperparameters == trained.run.config.hyperparameters
    assert repeated.config.requested == trained.run.config.requested
    assert repeated.evaluation.to_dict() == trained.run.evaluation.to_dict()


def test_a_run_whose_dataset_is_gone_cannot_be_repeated(open_page, ui, trained, workspace, tick):
    workspace.remove(trained.dataset.folder)
    at = ui.press(tick(open_page("runs"), 0), "repeat")
    assert len(at.error) == 1
    assert job_queue().jobs() == []


def test_a_run_whose_dataset_is_gone_can_still_be_listed_and_deleted(open_page, ui, trained, workspace, tick):
    workspace.remove(trained.dataset.folder)
    at = tick(open_page("runs"), 0)
    assert len(table(at)) == 1
    ui.press(at, "delete")
    assert list_runs() == []


def test_a_run_can_be_deleted(open_page, ui, trained, older, tick):
    at = tick(open_page("runs"), 1)
    ui.press(at, "delete")
    assert [run.id for run in list_runs()] == [trained.run.id]
    assert len(table(at)) == 1
    assert not older.folder.exists()


@pytest.mark.usefixtures("trained")
def test_the_last_run_can_be_deleted(open_page, ui, tick):
    at = ui.press(tick(open_page("runs"), 0), "delete")
    assert list_runs() == []
    assert ui.find_button(at, "empty_train")


def test_a_click_on_delete_deletes_the_run_that_was_shown_and_no_other(open_page, ui, trained, older, tick):
    """Another session has deleted it meanwhile."""
    mine, theirs = tick(open_page("runs"), 0), tick(open_page("runs"), 0)
    ui.press(theirs, "delete")
    ui.press(mine, "delete_")
    assert not trained.run.folder.exists()
    assert [run.id for run in list_runs()] == [older.id]


def test_a_run_that_came_meanwhile_is_not_deleted_in_place_of_the_one_shown(open_page, ui, trained, tick):
    at = tick(open_page("runs"), 0)
    newer = copy_run(trained.run, "20990101-000000-00000a")
    ui.press(at, "delete")
    assert newer.id in [run.id for run in list_runs()]


def test_an_interrupted_run_can_be_repeated_and_deleted_but_not_opened(open_page, ui, interrupted, tick):
    at = tick(open_page("runs"), 0)
    assert table(at)["state"].iloc[0] == "interrupted"
    assert len(at.info) == 1
    assert ui.find_button(at, "open") is None
    assert ui.find_button(at, "repeat")
    ui.press(at, "delete")
    assert not interrupted.folder.exists()


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_a_run_without_a_result_says_why(open_page, ui, trained, state, tick):
    without_results(copy_run(trained.run, "20990101-000000-00000b", state=state, message="It went wrong."))
    at = tick(open_page("runs"), 0)
    assert any("went wrong" in text for text in ui.texts(at))
    assert ui.find_button(at, "open") is None
    assert ui.find_button(at, "repeat")


def test_an_interrupted_run_is_not_among_the_classifiers(open_page, trained, interrupted):
    at = open_page("runs")
    assert len(at.sidebar.selectbox(key="run").options) == 1
    assert at.session_state["run"] == trained.run.id != interrupted.id


def test_a_running_run_can_neither_be_repeated_nor_deleted(open_page, ui, workspace, interrupted, tick):
    with workspace.lock(f"run-{interrupted.id}"):
        at = tick(open_page("runs"), 0)
        assert table(at)["state"].iloc[0] == "running"
        assert [name for name in ("open", "repeat", "delete") if ui.find_button(at, name)] == []


# --- several runs, names, second thoughts ------------------------------------------------------


def test_a_deleted_run_can_be_brought_back(open_page, ui, trained, older, tick):
    at = ui.press(tick(open_page("runs"), 1), "delete")
    at = ui.press(at, "undo_delete")
    assert [run.id for run in list_runs()] == [trained.run.id, older.id]
    assert ui.find_button(at, "undo_delete") is None


def test_a_run_can_be_given_a_name_and_a_note(open_page, ui, trained, tick):
    at = tick(open_page("runs"), 0)
    at.text_input(key=f"name_{trained.run.id}").set_value("The good one")
    at.text_area(key=f"note_{trained.run.id}").set_value("with all hats").run()
    ui.press(at, "describe")
    (row,) = table(at).to_dict("records")
    assert (row["name"], row["note"]) == ("The good one", "with all hats")


def test_several_runs_are_compared_in_what_differs(open_page, trained, older, tick):
    config = json.loads((older.folder / "config.json").read_text())
    config["hyperparameters"]["learning_rate"] = 0.5
    (older.folder / "config.json").write_text(json.dumps(config))
    at = tick(open_page("runs"), 0, 1)
    assert "learning rate 0.5" in table(at)["settings that differ"].tolist()[1]
    side_by_side = at.dataframe[1].value
    assert list(side_by_side.loc["learning rate"]) == [
        str(trained.run.hyperparameters.learning_rate),
        "0.5",
    ]
    assert "batch size" not in side_by_side.index


def test_of_several_runs_the_latest_is_compared_with_each(open_page, ui, trained, older, tick):
    copy_run(trained.run, "20200101-000000-00000b")
    for name, rows in (("predictions", older.predictions), ("cross-validation", older.cross_validated)):
        rows["sha256"] = [f"{number:064x}" for number in range(len(rows))]
        rows.to_csv(older.folder / f"{name}.csv", index=False)
    texts = ui.texts(tick(open_page("runs"), 2, 0, 1))
    [said] = [text for text in texts if "both trainings were judged on" in text]
    assert f"On the {trained.run.headline.images} photos" in said
    assert "both are right equally often" in said
    assert len([text for text in texts if "another part by now" in text]) == 1
    assert len([text for text in texts if text.startswith("This one is ")]) == 2


def test_several_runs_can_be_deleted_at_once(open_page, ui, trained, older, tick):
    at = ui.press(tick(open_page("runs"), 0, 1), "delete_several")
    assert list_runs() == []
    for run in (older, trained.run):
        ui.press(at, "undo_delete")
        assert run.id in [known.id for known in list_runs()]


def test_the_spread_over_the_folds_is_told(open_page, trained):
    state = json.loads((trained.run.folder / "state.json").read_text())
    figures = {"accuracy": [0.5, 0.6, 0.7], "balanced_accuracy": [0.5] * 3, "cohen_kappa": [0.1, None, 0.3]}
    state["cross_validation"] = {"folds": 3, **figures}
    (trained.run.folder / "state.json").write_text(json.dumps(state))
    (row,) = table(open_page("runs")).to_dict("records")
    assert "3 folds: 60.0" in row["accuracy"]
    assert "2 folds: 0.200" in row["kappa"]


def test_the_spread_over_the_seeds_is_told(open_page, trained):
    state = json.loads((trained.run.folder / "state.json").read_text())
    figures = {"accuracy": [0.5, 0.6], "balanced_accuracy": [0.5] * 2, "cohen_kappa": [0.1, 0.3]}
    state["repeats"] = {"seeds": [1, 2], **figures}
    (trained.run.folder / "state.json").write_text(json.dumps(state))
    (row,) = open_page("runs").dataframe[0].value.to_dict("records")
    assert "2 seeds: 55.0" in row["accuracy"]
    assert "2 seeds: 0.200" in row["kappa"]
