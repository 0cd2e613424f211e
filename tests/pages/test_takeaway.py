"""Taking a classifier home: the card of each form, what it offers, and when it is made anew."""

import zipfile
from functools import partial

import pytest

import vitcore.pipeline
from app.predict import exporting as module
from vitcore.errors import BackboneError
from vitcore.inference import Agreement, load_classifier, set_level
from vitcore.pipeline import Export


@pytest.fixture
def pretend(monkeypatch):
    """An ONNX export that takes no time."""

    def export(_, folder, **__):
        folder.mkdir()
        (folder / "model.onnx").write_text("weights")
        values = {"images": 36, "mean_difference": 0.0, "seconds_per_image": 0.1}
        found = (
            Agreement(kind="onnx", same_labels=1.0, largest_difference=2e-6, offered=True, **values),
            Agreement(kind="onnx int8", same_labels=0.5, largest_difference=0.4, offered=False, **values),
        )
        return Export(folder=folder, form="onnx", files={"model.onnx": 7}, agreements=found, opset=18)

    monkeypatch.setitem(module._EXPORTERS, "onnx", export)


@pytest.fixture
def open_cards(open_section):
    return partial(open_section, "predict", "takeaway")


def downloads(at) -> set[str]:
    return {button.key for button in at.download_button}


def made(run) -> set[str]:
    folder = run.folder / "exports"
    return {path.suffix for path in folder.iterdir()} if folder.is_dir() else set()


def test_nothing_is_offered_before_it_is_made(open_cards, ui, trained):
    at = open_cards()
    assert downloads(at) == set()
    assert not ui.find_button(at, "make_model").disabled
    assert not ui.find_button(at, "make_onnx").disabled
    assert made(trained.run) == set()


@pytest.mark.usefixtures("pretend")
def test_an_onnx_file_is_offered_with_its_agreement_until_the_results_change(open_cards, ui, finish, trained):
    at = finish(ui.press(open_cards(), "make_onnx"))
    assert downloads(at) == {"download_onnx"}
    said = " ".join(ui.texts(at))
    assert "On 36 photos it gives the same label as this run for **100.0\N{NO-BREAK SPACE}%**" in said
    assert "differ by at most 0.000002" in said
    assert "opset 18" in said
    assert "python predict.py" in said
    assert at.table[0].value.iloc[1, 0] == "ONNX file, int8 (left out)"
    assert made(trained.run) == {".zip", ".json"}
    [archive] = (trained.run.folder / "exports").glob("*.zip")
    with zipfile.ZipFile(archive) as file:
        assert file.namelist() == ["classifier-onnx/model.onnx"]

    set_level(trained.run.folder, 0.9)
    at.run()
    assert downloads(at) == set()
    finish(ui.press(at, "make_onnx"))
    assert downloads(at) == {"download_onnx"}
    assert not archive.exists()
    assert made(trained.run) == {".zip", ".json"}


@pytest.mark.thorough
def test_a_model_folder_that_was_downloaded_works(open_cards, ui, finish, trained, tmp_path):
    at = finish(ui.press(open_cards(), "make_model"))
    assert downloads(at) == {"download_model"}
    [archive] = (trained.run.folder / "exports").glob("*.zip")
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path)
    downloaded = load_classifier(tmp_path / "classifier-model")
    rows = trained.run.predictions
    photos = [trained.dataset.path(file) for file in rows["file"]]
    answers = [answer.label for answer in downloaded.predict(photos)]
    assert answers == [answer.label for answer in load_classifier(trained.run.folder).predict(photos)]
    surest = rows["confidence"].argmax()  # of the others a head that learned from all may think otherwise
    assert answers[surest] == rows["predicted"].iloc[surest]


def test_while_one_is_made_no_other_is_begun(open_cards, ui, hold, trained):  # noqa: ARG001 - there is a run
    held = hold(kind="export")
    at = open_cards()
    assert ui.find_button(at, "make_onnx").disabled
    assert ui.find_button(at, "make_model").disabled
    assert ui.find_button(at, f"stop_{held.job.id}") is not None
    held.let_go()


def test_an_export_that_fails_says_why_and_leaves_nothing(open_cards, ui, hold, finish, trained, monkeypatch):
    def export(*_, **__):
        raise BackboneError("What was written differs.")

    monkeypatch.setitem(module._EXPORTERS, "onnx", export)
    held = hold()  # so that the page sees the export wait, and then how it ended
    at = ui.press(open_cards(), "make_onnx")
    held.let_go()
    finish(at)
    assert "The export ended early. What was written differs" in at.error[0].value
    assert downloads(at) == set()
    assert made(trained.run) == set()


def test_a_report_is_offered_once_it_is_written_in_the_language_of_choice(
    open_cards, ui, trained, monkeypatch
):
    written = []

    def write_report(run_id, file, *, language, workspace):
        written.append((run_id, language, workspace.root))
        file.write_text("<html>", encoding="utf-8")
        return file

    monkeypatch.setattr(vitcore.pipeline, "write_report", write_report)
    at = open_cards()
    at.selectbox(key="report_language_en").set_value("es").run()
    ui.press(at, "write_report")
    assert [(run_id, language) for run_id, language, _ in written] == [(trained.run.id, "es")]
    assert downloads(at) == {"download_report"}
    at.selectbox(key="report_language_en").set_value("en").run()
    assert downloads(at) == set()
