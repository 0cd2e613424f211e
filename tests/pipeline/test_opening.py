"""Models that somebody sent: taken in with care."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tests._models import tiny_model
from vitcore.cli import main
from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.errors import NotFoundError, StorageError, VitcoreError
from vitcore.inference import copy_classifier, load_classifier
from vitcore.pipeline import OpenedModel, delete_model, export_model, list_models, open_model, train
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

CLASSES = ("blue", "green", "red")


@pytest.fixture
def sent(tiny_backbone, tmp_path) -> Path:
    """A model folder as it is exported."""
    folder = tmp_path / "sent"
    folder.mkdir()
    copy_classifier(tiny_model(tmp_path / "model", tiny_backbone, CLASSES), folder)
    return folder


def zipped(folder: Path, file: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"{prefix}{path.name}")
    return file


@pytest.mark.parametrize("prefix", [None, "", "classifier-model/"])
def test_a_model_is_kept_beside_the_runs_and_answers_as_it_did(
    sent, tmp_path, prefix, picture_folder, capsys
):
    photo = str(next(picture_folder(count=1).rglob("*.png")))
    expected = load_classifier(sent).predict([photo])
    source = sent if prefix is None else zipped(sent, tmp_path / "Birds.zip", prefix)
    assert main(["open", str(source), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    [(model_id, model)] = list_models().items()
    assert isinstance(model, OpenedModel)
    assert (model_id, model.classes) == (told["model_id"], CLASSES)
    assert model.source == source.name
    assert model.name == source.stem
    shutil.rmtree(sent)
    assert load_classifier(model.folder).predict([photo]) == expected
    assert main(["predict", model_id, photo, "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["predictions"]
    assert row["probabilities"] == expected[0].probabilities
    capsys.readouterr()
    assert main(["evaluate", model_id, str(picture_folder(CLASSES, name="ours")), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] > 0
    assert main(["evaluate", model_id]) == 1
    assert "give SOURCE" in capsys.readouterr().err
    delete_model(model_id)
    assert list_models() == {}


def test_what_was_exported_answers_the_same_in_a_second_workspace(
    picture_folder, tiny_backbone, tmp_path, monkeypatch, capsys
):
    photos = picture_folder()
    run = train(import_dataset(photos), Hyperparameters(epochs=2), compute=Compute(tiny_backbone))
    assert main(["predict", run.id, str(photos), "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    folder = export_model(run, tmp_path / "birds").folder
    monkeypatch.setenv("VITCORE_HOME", str(tmp_path / "second"))
    assert main(["open", str(zipped(folder, tmp_path / "birds.zip", "birds/")), "--json"]) == 0
    shutil.rmtree(folder)
    shutil.rmtree(run.folder)
    model_id = json.loads(capsys.readouterr().out)["model_id"]
    assert main(["predict", model_id, str(photos), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == expected


def changed_config(**changes):
    def change(folder: Path) -> None:
        file = folder / "config.json"
        config = json.loads(file.read_text())
        for path, value in changes.items():
            *parents, last = path.split("__")
            inner = config
            for parent in parents:
                inner = inner[parent]
            inner[last] = value
        file.write_text(json.dumps(config))

    return change


def changed_arrays(file: str, change):
    def harm(folder: Path) -> None:
        arrays = safetensors.numpy.load_file(folder / file)
        safetensors.numpy.save_file(change(arrays), folder / file)

    return harm


def with_value(name: str, value: float):
    def change(arrays):
        arrays[name] = np.full_like(arrays[name], value)
        return arrays

    return change


def a_link(name: str):
    def harm(folder: Path) -> None:
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)

    return harm


def without(name: str):
    return lambda folder: (folder / name).unlink()


def holding(name: str, data: bytes):
    return lambda folder: (folder / name).write_bytes(data)


HOSTILE = {
    "no config": (without("config.json"), "config.json is missing"),
    "no head": (without("head.safetensors"), "head.safetensors is missing"),
    "no references": (without("references.safetensors"), "references.safetensors is missing"),
    "weights gone": (without("tiny.safetensors"), "needs weights of its own"),
    "config that is none": (holding("config.json", b"[1, 2"), "damaged"),
    "a pickle as head": (
        holding("head.safetensors", b"\x80\x04cos\nsystem\n."),
        "damaged|not what was saved",
    ),
    "other arrays": (holding("references.safetensors", b"\0" * 64), "damaged|not what was saved"),
    "another format": (changed_config(format=99), "another version"),
    "a class of control signs": (changed_config(classes=["\x1b", "", "red"]), "damaged|empty"),
    "too few classes": (changed_config(classes=["a"]), "does not fit"),
    "weights elsewhere": (changed_config(backbone__id="/etc/passwd"), "needs weights of its own"),
    "weights above": (changed_config(backbone__id="../../tiny.safetensors"), "needs weights of its own"),
    "a wild temperature": (changed_config(trust__temperature=1e9), "damaged"),
    "weights that are no numbers": (
        changed_arrays("head.safetensors", with_value("weight", np.nan)),
        "damaged|not what was saved",
    ),
    "a deviation of zero": (
        changed_arrays("head.safetensors", with_value("std", 0.0)),
        "damaged|not what was saved",
    ),
    "a head for other embeddings": (
        changed_arrays(
            "head.safetensors", lambda arrays: {**arrays, "weight": arrays["weight"][:, :7].copy()}
        ),
        "damaged|not what was saved|does not fit",
    ),
    "a header of a terabyte": (
        holding("head.safetensors", (2**40).to_bytes(8, "little") + b"{}"),
        "damaged|not what was saved",
    ),
    "a config nested without end": (holding("config.json", b"[" * 100_000), "damaged"),
    "a config beyond all bounds": (holding("config.json", b" " * (17 * 2**20)), "larger than 16 MB"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("harm", "complaint"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_model_is_refused_and_leaves_nothing(sent, tmp_path, harm, complaint, packed):
    harm(sent)
    source = zipped(sent, tmp_path / "sent.zip") if packed else sent
    with pytest.raises(VitcoreError, match=complaint):
        open_model(source)
    assert list_models() == {}
    assert [path.name for path in Workspace.default().models.iterdir()] == []


def test_names_in_a_zip_file_lead_nowhere(sent, tmp_path):
    file = zipped(sent, tmp_path / "sent.zip", "../../outside/")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("/absolute.txt", "x")
        archive.writestr("../../outside/run.py", "x")
    model = open_model(file, "../../name\x1b")
    names = {"config.json", "head.safetensors", "origin.json", "references.safetensors", "tiny.safetensors"}
    assert {path.name for path in model.folder.iterdir()} == names
    assert not (tmp_path.parent / "outside").exists()
    assert "\x1b" not in model.name


@pytest.mark.parametrize(
    "data", [b"", b"no zip", b"PK\x05\x06" + b"\0" * 18], ids=["empty", "text", "nothing in it"]
)
def test_what_is_no_zip_file_of_a_model_is_refused(tmp_path, data):
    file = tmp_path / "sent.zip"
    file.write_bytes(data)
    with pytest.raises(VitcoreError, match=r"is no zip file of a model|There is no model in it"):
        open_model(file)


def test_a_zip_file_that_is_more_than_it_claims_is_refused(sent, tmp_path):
    file = tmp_path / "sent.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sent.iterdir():
            archive.writestr(
                path.name, b"\0" * (1100 * 2**20) if path.name == "head.safetensors" else path.read_bytes()
            )
    data, size = file.read_bytes(), (1100 * 2**20).to_bytes(4, "little")
    assert data.count(size) == 2  # in the entry and in the list at the end
    assert len(data) < 3e6
    file.write_bytes(data.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(VitcoreError):
        open_model(file)
    assert list_models() == {}


def test_an_encrypted_file_and_too_many_files_are_refused(sent, tmp_path):
    data = bytearray(zipped(sent, tmp_path / "sent.zip").read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = -1
        while (start := data.find(mark, start + 1)) >= 0:
            data[start + place] |= 1
    (tmp_path / "locked.zip").write_bytes(data)
    with pytest.raises(VitcoreError, match=r"no model in it"):
        open_model(tmp_path / "locked.zip")
    with zipfile.ZipFile(tmp_path / "sent.zip", "a") as archive:
        for number in range(1000):
            archive.writestr(f"{number}.txt", "x")
    with pytest.raises(VitcoreError, match="more than 1,000 files"):
        open_model(tmp_path / "sent.zip")
    assert list_models() == {}


def test_a_file_of_a_model_that_is_a_link_is_refused(sent):
    a_link("head.safetensors")(sent)
    with pytest.raises(VitcoreError, match=r"head.safetensors is missing"):
        open_model(sent)


def test_links_in_a_folder_are_not_followed(sent, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (sent / "README.md").unlink(missing_ok=True)
    (sent / "README.md").symlink_to(tmp_path / "secret")
    assert not (open_model(sent).folder / "README.md").exists()


def test_two_models_in_one_zip_file_are_refused(sent, tmp_path):
    file = zipped(sent, tmp_path / "sent.zip", "one/")
    with zipfile.ZipFile(file, "a") as archive:
        for path in sent.iterdir():
            archive.write(path, f"two/{path.name}")
    with pytest.raises(VitcoreError, match="holds 2 models"):
        open_model(file)


def test_a_damaged_one_is_named_and_can_be_deleted(sent):
    model = open_model(sent)
    (model.folder / "head.safetensors").write_bytes(b"")
    assert isinstance(list_models()[model.id], StorageError)
    delete_model(model.id)
    with pytest.raises(NotFoundError):
        delete_model(model.id)
