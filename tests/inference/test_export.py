"""What is handed on: that it agrees with the run."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from vitcore.compute import Compute
from vitcore.dataset import import_dataset, load_dataset
from vitcore.errors import (
    BackboneError,
    InputError,
    NotFoundError,
    SettingsError,
    Stopped,
    StorageError,
)
from vitcore.inference import (
    Agreement,
    copy_classifier,
    load_classifier,
    measure_agreement,
)
from vitcore.pipeline import Export, export_model, export_onnx, export_web, load_export, pack_export, train
from vitcore.pipeline import _exporting as module
from vitcore.pipeline import _handing_on as handing_on
from vitcore.progress import Task
from vitcore.records import read_json, write_json
from vitcore.runs import Run, list_runs
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

LABELS = np.array([0, 1, 1, 0])
EXPECTED = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]], dtype=np.float32)


def agreement(found: np.ndarray, *, exact: bool, labels: np.ndarray = LABELS) -> Agreement:
    return measure_agreement("onnx", labels, EXPECTED, found, seconds=2.0, exact=exact)


# --- agreement ---------------------------------------------------------------------------------


def test_an_agreement_has_its_figures():
    found = EXPECTED.astype(np.float64)
    found[2] = 0.55, 0.45
    measured = agreement(found, exact=False)
    assert vars(measured) == {
        "kind": "onnx",
        "images": 4,
        "same_labels": 0.75,
        "largest_difference": pytest.approx(0.15),
        "mean_difference": pytest.approx(0.3 / 8),
        "seconds_per_image": 0.5,
        "offered": False,
        "changed": 0,
    }


@pytest.mark.parametrize(
    ("apart", "exact", "offered"),
    [(5e-4, True, True), (2e-3, True, False), (0.09, False, True), (0.11, False, False)],
)
def test_how_far_probabilities_may_be_apart(apart, exact, offered):
    assert agreement(EXPECTED + np.array([apart, -apart]), exact=exact).offered is offered


def test_one_other_label_is_too_many_where_it_has_to_be_exact():
    other = np.array([0, 1, 0, 0])  # for the same probabilities, as on a tie
    assert not agreement(EXPECTED, exact=True, labels=other).offered


@pytest.mark.parametrize(
    ("kind", "wrong", "offered"),
    [("onnx int8", 3, True), ("onnx int8", 4, False), ("onnx fp16", 1, True), ("onnx fp16", 2, False)],
)
def test_less_exact_files_need_nearly_all_labels(kind, wrong, offered):
    expected = np.tile([0.52, 0.48], (100, 1))
    found = expected.copy()
    found[:wrong] = 0.48, 0.52
    measured = measure_agreement(kind, np.zeros(100, np.int64), expected, found, seconds=1, exact=False)
    assert measured.offered is offered


@pytest.mark.parametrize("exact", [True, False])
def test_what_is_no_number_is_not_offered(exact):
    found = EXPECTED.copy()
    found[0, 1] = np.nan
    measured = agreement(found, exact=exact)
    assert not measured.offered
    assert measured.largest_difference == 1.0


# --- exporting ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A workspace that is made once and copied."""
    return tmp_path_factory.mktemp("export") / "home"


@pytest.fixture
def run(home, workspace, picture_folder, tiny_backbone) -> Run:
    if not home.exists():
        first = Workspace(home)
        dataset = import_dataset(picture_folder(), name="My *photos*", workspace=first)
        h = Hyperparameters(epochs=3, validation_fraction=0.5, finish=False)
        train(dataset, h, compute=Compute(tiny_backbone), workspace=first)
    shutil.copytree(home, workspace.root, dirs_exist_ok=True)
    [run] = list_runs()
    return run


@pytest.fixture
def pretend(monkeypatch):
    """ONNX files that are none, and answers as if they were."""

    def pretend(answers: dict[str, np.ndarray]) -> None:
        monkeypatch.setattr(module, "write_onnx", lambda _, file, facts: file.write_text(facts["run"]))
        monkeypatch.setattr(module, "write_int8", lambda _, file: file.write_text("int8"))
        monkeypatch.setattr(module, "write_fp16", lambda _, file: file.write_text("fp16"))
        monkeypatch.setattr(module, "onnx_probabilities", lambda file, _: iter(answers[file.name]))
        monkeypatch.setattr(handing_on, "_CHANGES", ())

    return pretend


def test_a_model_folder_answers_as_the_run_does_wherever_it_is(run, tmp_path, tiny_backbone):
    made = export_model(run, tmp_path / "out" / "folder")
    files = {"README.md", "agreement.json", "config.json", "head.safetensors", "references.safetensors"}
    assert made.files.keys() == files | {"tiny.safetensors"}  # the weights, which came from a file
    assert [found.kind for found in made.agreements] == ["model", "bf16"]
    exact, reduced = made.agreements
    assert (exact.images, exact.changed, exact.same_labels, exact.offered) == (66, 48, 1.0, True)
    assert "48 of them are copies in grey" in (made.folder / "README.md").read_text(encoding="utf-8")
    assert exact.largest_difference < 1e-6 < reduced.largest_difference
    assert load_export(tmp_path / "out" / "folder") == made
    assert list((tmp_path / "out").iterdir()) == [made.folder]

    text = (made.folder / "config.json").read_text()
    assert str(Path(tiny_backbone).parent) not in text  # whose path is nobody's business
    (elsewhere := tmp_path / "elsewhere").mkdir()
    moved = made.folder.rename(elsewhere / "moved")
    classifier = load_classifier(moved)
    assert classifier.embedder.backbone.weights_file == moved / "tiny.safetensors"
    dataset = load_dataset(run.config.dataset.id)
    answers = classifier.predict([dataset.path(file) for file in run.predictions["file"]])
    assert [answer.label for answer in answers] == run.predictions["predicted"].tolist()


def test_fewer_images_are_taken_from_all_over(run, tmp_path, monkeypatch):
    asked = []
    answers = module._answers
    monkeypatch.setattr(module, "_answers", lambda c, files: asked.append(files) or answers(c, files))
    made = export_model(run, tmp_path / "folder", images=4)
    assert [(found.images, found.changed) for found in made.agreements] == [(20, 16)] * 2
    names = [path.name for path in asked[0][:4]]
    rows = run.predictions["file"].map(lambda file: Path(file).name).tolist()
    assert [rows.index(name) for name in names] == [0, 6, 11, 17]


def test_a_folder_with_something_in_it_is_refused_and_an_empty_one_is_filled(run, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    (tmp_path / "file").touch()
    for name in ("full", "file"):
        with pytest.raises(InputError, match=f"{name} is there already and not empty; give a new folder"):
            export_model(run, tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert export_model(run, tmp_path / "empty", images=1).files


def test_what_differs_is_not_handed_out(run, tmp_path, pretend):
    wrong = run.probabilities.copy()
    wrong[3] = wrong[3, ::-1] * 0.5
    pretend({"model.onnx": wrong})
    with pytest.raises(BackboneError, match=r"gives \d+\.\d% of 18 photos the label of the run"):
        export_onnx(run, tmp_path / "out" / "folder")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_int8_file_that_differs_too_much_is_left_out(run, tmp_path, pretend):
    right, wrong = run.probabilities, np.roll(run.probabilities, 1, axis=1)
    pretend({"model.onnx": right, "model-fp16.onnx": right, "model-int8.onnx": wrong})
    made = export_onnx(run, tmp_path / "folder")
    files = {"README.md", "agreement.json", "model-fp16.onnx", "model.onnx", "predict.py"}
    assert made.files.keys() == files
    assert [(found.kind, found.offered) for found in made.agreements] == [
        ("onnx", True),
        ("onnx fp16", True),
        ("onnx int8", False),
    ]
    card = (made.folder / "README.md").read_text(encoding="utf-8")
    assert "| ONNX file, int8 (left out) | 18 |" in card
    assert "model-int8" not in card


@pytest.mark.parametrize(
    ("int8", "fp16", "kinds"),
    [
        (True, True, ["onnx int8"]),
        (False, True, ["onnx int8", "onnx fp16"]),
        (False, False, ["onnx int8", "onnx fp16", "onnx"]),
    ],
)
def test_a_web_page_takes_the_smallest_file_that_agrees(
    run, tmp_path, pretend, monkeypatch, int8, fp16, kinds
):
    right, wrong = run.probabilities, np.roll(run.probabilities, 1, axis=1)
    answers = iter([right if int8 else wrong, right if fp16 else wrong])
    pretend({})
    monkeypatch.setattr(
        module, "onnx_probabilities", lambda file, _: iter(next(answers) if "small" in file.name else right)
    )
    pages = []
    monkeypatch.setattr(module, "write_web_page", lambda folder, **given: pages.append((folder, given)))
    made = export_web(run, tmp_path / "folder")
    assert [found.kind for found in made.agreements] == kinds
    assert made.files.keys() == {"README.md", "agreement.json", "model.onnx"}
    wanted = {"onnx int8": "int8", "onnx fp16": "fp16", "onnx": run.id}[kinds[-1]]
    assert (made.folder / "model.onnx").read_text() == wanted
    assert pages[0][1]["texts"]["es"]["not_sure"] == "Con dudas"
    assert "http.server" in (made.folder / "README.md").read_text(encoding="utf-8")


def test_the_onnx_folder_has_all_its_files(run, tmp_path, pretend):
    pretend(dict.fromkeys(["model.onnx", "model-fp16.onnx", "model-int8.onnx"], run.probabilities))
    made = export_onnx(run, tmp_path / "folder", language="es")
    assert made.files["model-int8.onnx"] == 4
    assert (made.folder / "model.onnx").read_text() == run.id
    assert made.opset == 18
    source = Path(module.__file__).parents[1] / "inference" / "standalone" / "predict.py"
    assert (made.folder / "predict.py").read_bytes() == source.read_bytes()
    card = (made.folder / "README.md").read_text(encoding="utf-8")
    assert "## Datos" in card
    assert "--model model-int8.onnx" in card


def test_a_run_in_another_precision_need_not_be_equalled_to_the_last_digit(run, tmp_path, pretend):
    close = run.probabilities * 0.99
    pretend(dict.fromkeys(["model.onnx", "model-fp16.onnx", "model-int8.onnx"], close))
    with pytest.raises(BackboneError):
        export_onnx(run, tmp_path / "folder")
    config = replace(run.config, device=replace(run.config.device, precision="bf16"))
    assert export_onnx(replace(run, config=config), tmp_path / "folder").files


def test_what_cannot_be_compared_is_not_exported(run, tmp_path, workspace):
    with pytest.raises(SettingsError, match="images is 0; give 1 or more"):
        export_model(run, tmp_path / "folder", images=0)
    shutil.rmtree(workspace.datasets / run.config.dataset.id)
    with pytest.raises(NotFoundError):
        export_model(run, tmp_path / "folder")
    assert list(tmp_path.glob("*folder*")) == []


def test_stopping_leaves_nothing(run, tmp_path):
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        export_model(run, tmp_path / "out" / "folder", task=Task(stop=stop))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error_of_its_own(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        export_model(run, tmp_path / "file" / "folder")


def test_weights_that_are_gone_cannot_be_exported(run, tmp_path):
    config = read_json(run.folder / "model" / "config.json")
    config["backbone"]["id"] = str(tmp_path / "gone.safetensors")
    write_json(run.folder / "model" / "config.json", config)
    with pytest.raises(BackboneError, match=r"no weights file .*gone\.safetensors any more"):
        copy_classifier(run.folder / "model", tmp_path)
    write_json(run.folder / "model" / "config.json", {"backbone": {}})
    with pytest.raises(StorageError, match="damaged"):
        copy_classifier(run.folder / "model", tmp_path)


def test_what_is_no_export_is_refused(tmp_path):
    with pytest.raises(StorageError):
        load_export(tmp_path)
    write_json(tmp_path / "agreement.json", {"format": "onnx", "agreement": [{"kind": "onnx"}]})
    with pytest.raises(StorageError, match=r"is damaged .*; export again"):
        load_export(tmp_path)


def test_an_export_is_packed_with_what_is_known_of_it(tmp_path):
    place = tmp_path / "place"
    (folder := place / "folder").mkdir(parents=True)
    (folder / "model.onnx").write_text("weights")
    made = Export(folder=folder, form="onnx", files={"model.onnx": 7}, agreements=(), opset=18)
    pack_export(made, place / "name.zip")
    assert sorted(path.name for path in place.iterdir()) == ["name.json", "name.zip"]
    with zipfile.ZipFile(place / "name.zip") as archive:
        assert archive.read("classifier-onnx/model.onnx") == b"weights"
    assert json.loads((place / "name.json").read_text())["files"] == [{"name": "model.onnx", "bytes": 7}]
    with pytest.raises(StorageError, match="cannot be written"):
        pack_export(made, place / "again.zip")
    assert not list(place.glob("*.part"))
