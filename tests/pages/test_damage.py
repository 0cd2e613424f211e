"""One damaged file of a finished workspace takes nothing else down: neither a page nor a command."""

import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.shared.state import job_queue
from tests._variants import first_of
from vitcore.audit import measure
from vitcore.cli import main
from vitcore.compute import Compute
from vitcore.dataset import Dataset, confirm, exclude, import_dataset, load_dataset
from vitcore.inference import load_classifier
from vitcore.pipeline import (
    answer_batch,
    check_maps,
    evaluate_external,
    find_recipe,
    load_batch,
    new_batch,
    review_run,
    stress_test,
    train,
)
from vitcore.runs import Run, describe_run, list_runs
from vitcore.sources import NamedFile
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

Damage = Callable[[bytes], bytes | None]
"""What becomes of the content of a file; None if the file is deleted."""

SECTIONS = {
    "evaluate": ("confusions", "curves", "trust", "stress", "compare", "elsewhere", "more"),
    "samples": ("map", "labels"),
    "predict": ("takeaway",),
}


# --- what is done to files ---------------------------------------------------------------------


def nothing(_: bytes) -> bytes:
    return b""


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def gone(_: bytes) -> None:
    return None


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x41]) + content[middle + 1 :]


def value(**changes: object) -> Damage:
    """Changes values of a JSON file; those that are ``...`` are left out."""

    def value(content: bytes) -> bytes:
        changed = {**json.loads(content), **changes}
        return json.dumps({name: what for name, what in changed.items() if what is not ...}).encode()

    return value


def text(new: str) -> Damage:
    def text(_: bytes) -> bytes:
        return new.encode()

    return text


def line(new: bytes) -> Damage:
    def line(content: bytes) -> bytes:
        return content + new

    return line


def replaced(old: bytes, new: bytes) -> Damage:
    def replaced(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new)

    return replaced


def array(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def array(content: bytes) -> bytes:
        file = io.BytesIO()
        np.save(file, change(np.load(io.BytesIO(content))))
        return file.getvalue()

    return array


# Of the dataset and the run with everything: a place below the workspace, and what happens to it.
DAMAGES = [
    ("runs/{run}/config.json", text("{}")),
    ("runs/{run}/evaluation.json", value(metrics={})),
    ("runs/{run}/config.json", value(name=5)),
    ("runs/{run}/history.jsonl", line(b"{bad\n")),
    ("runs/{run}/predictions.csv", half),
    ("runs/{run}/probabilities.npy", array(lambda rows: rows[:-1])),
    ("runs/{run}/cross-validation.csv", half),
    ("runs/{run}/validation-head.safetensors", flipped),
    ("datasets/{data}/thumbnails/*/*", nothing),
    ("features/*/index.sqlite", flipped),
    ("runs/{run}/config.json", half),
    ("runs/{run}/config.json", gone),
    ("runs/{run}/config.json", value(created="yesterday")),
    ("runs/{run}/config.json", value(classes=["blue"])),
    ("runs/{run}/config.json", value(hyperparameters={"epochs": "many"})),
    ("runs/{run}/state.json", nothing),
    ("runs/{run}/state.json", value(state="sleeping")),
    ("runs/{run}/state.json", value(best_epoch=99)),
    ("runs/{run}/state.json", value(seconds=3)),
    ("runs/{run}/history.jsonl", nothing),
    ("runs/{run}/history.jsonl", gone),
    ("runs/{run}/history.jsonl", line(b"3\n")),
    ("runs/{run}/cross-validation.csv", gone),
    ("runs/{run}/validation-head.safetensors", gone),
    ("runs/{run}/state.json", value(finish={"images": 3})),
    ("runs/{run}/state.json", value(cross_validation={"folds": 3})),
    ("runs/{run}/evaluation.json", nothing),
    ("runs/{run}/evaluation.json", gone),
    ("runs/{run}/evaluation.json", value(confusion=[[1]])),
    ("runs/{run}/evaluation.json", value(confusion="x")),
    ("runs/{run}/predictions.csv", nothing),
    ("runs/{run}/predictions.csv", gone),
    ("runs/{run}/predictions.csv", flipped),
    ("runs/{run}/predictions.csv", replaced(b"blue", b"mauve")),
    ("runs/{run}/predictions.csv", replaced(b"image_id", b"number")),
    ("runs/{run}/probabilities.npy", nothing),
    ("runs/{run}/probabilities.npy", gone),
    ("runs/{run}/probabilities.npy", array(lambda rows: rows * np.nan)),
    ("runs/{run}/probabilities.npy", array(lambda rows: rows.astype(str))),
    ("runs/{run}/repeats.csv", half),
    ("runs/{run}/repeats.csv", replaced(b"0.", b"x.")),
    ("runs/{run}/about.json", value(name=3)),
    ("runs/{run}/review.json", value(labels={})),
    ("runs/{run}/review.json", half),
    ("runs/{run}/elsewhere-*.json", value(predictions=None)),
    ("runs/{run}/elsewhere-*.json", half),
    ("runs/{run}/model/maps.json", value(top=[])),
    ("runs/{run}/model/stress.json", value(answers={})),
    ("runs/{run}/model/stress.json", half),
    ("runs/{run}/model/head.safetensors", flipped),
    ("runs/{run}/model/head.safetensors", half),
    ("runs/{run}/model/references.safetensors", flipped),
    ("runs/{run}/model/references.safetensors", gone),
    ("runs/{run}/model/config.json", value(trust=None)),
    ("runs/{run}/model/config.json", value(classes=["blue", "blue", "red"])),
    ("runs/{run}/batches/*/about.json", value(names=3)),
    ("runs/{run}/batches/*/about.json", value(created="today")),
    ("runs/{run}/batches/*/answers.csv", half),
    ("runs/{run}/batches/*/answers.csv", nothing),
    ("runs/{run}/batches/*/corrections.json", text("[]")),
    ("runs/{run}/batches/*/photos/*", nothing),
    ("datasets/{data}/dataset.json", text("{}")),
    ("datasets/{data}/dataset.json", value(name=5)),
    ("datasets/{data}/dataset.json", value(version=9)),
    ("datasets/{data}/dataset.json", value(changes=3)),
    ("datasets/{data}/index-0003.csv", half),
    ("datasets/{data}/index-0003.csv", gone),
    ("datasets/{data}/index-0003.csv", replaced(b"images/", b"/etc/")),
    ("datasets/{data}/index-0003.csv", replaced(b",64,", b",wide,")),
    ("datasets/{data}/confirmed.json", text("{}")),
    ("datasets/{data}/divisions/*", half),
    ("datasets/{data}/measures.json", value(quality=3)),
    ("datasets/{data}/search.json", value(recipes=[])),
    ("datasets/{data}/search.json", half),
    ("datasets/{data}/duplicates/*", text("{}")),
    ("datasets/{data}/thumbnails/*/*", half),
    ("datasets/{data}/images/*/*", nothing),
    ("datasets/{data}/images/*/*", gone),
    ("features/*/index.sqlite", nothing),
    ("features/*/index.sqlite", text("no database")),
    ("features/*/vectors.f16", flipped),
    ("features/*/vectors.f16", half),
    ("features/*/vectors.f16", gone),
    ("engines/choices.json", text("[]")),
]


def apply(damage: Damage, root: Path, place: str) -> None:
    """Damage the first file at a place."""
    found = sorted(root.glob(place))
    assert found, f"nothing is at {place}"
    content = damage(found[0].read_bytes())
    found[0].unlink()
    if content is not None:
        found[0].write_bytes(content)


# --- everything there is -----------------------------------------------------------------------


@pytest.fixture
def everything(homes, workspace, picture_folder, tiny_backbone) -> tuple[Dataset, Run, Run]:
    """A dataset and a run with all that can hang on them, and another run on another dataset."""
    home = homes / "everything"
    if not home.exists():
        photos, others = picture_folder(count=12), picture_folder(count=6, name="others")
        make(Workspace(home), photos, others, Compute(tiny_backbone, device="cpu"))
    shutil.copytree(home, workspace.root, dirs_exist_ok=True)
    run, other = list_runs()
    return load_dataset(run.config.dataset.id), run, other


def make(workspace: Workspace, photos: Path, others: Path, compute: Compute) -> None:
    h = Hyperparameters(epochs=2, validation_fraction=0.4, repeats=1)
    options = {"compute": compute, "workspace": workspace}
    other = import_dataset(others, name="Others", workspace=workspace)
    train(other, h, **options)
    data = exclude(import_dataset(photos, name="My photos", workspace=workspace), [3])
    confirm(data, [4, 5])
    measure(data, **options)
    find_recipe(data, h, backbones=(), input_sizes=[64], **options)
    run = train(data, h, **options)
    describe_run(run.id, name="Mine", note="a note", workspace=workspace)
    review_run(run.id, workspace=workspace)
    evaluate_external(run.id, other, workspace=workspace)
    check_maps(run.id, images=2, workspace=workspace)
    stress_test(run.id, workspace=workspace)
    photo = photos / "new.png"
    Image.open(min(others.rglob("*.png"))).rotate(180).save(photo)
    batch = new_batch(run, [NamedFile("new.png", photo)], "A photo")
    answer_batch(batch, load_classifier(run.folder, workspace=workspace))
    load_batch(run, batch.id).correct(0, "blue", data)
    for file in data.index["file"]:
        data.thumbnail(file)
    workspace.engines.mkdir(exist_ok=True)
    (workspace.engines / "choices.json").write_text("{}", encoding="utf-8")


@pytest.mark.thorough
@pytest.mark.parametrize(("place", "damage"), DAMAGES)
def test_one_damaged_file_takes_nothing_else_down(
    everything, workspace, open_page, tiny_backbone, tmp_path, capsys, place, damage
):
    data, run, other = everything
    photo = next((other.folder.parents[1] / "datasets" / other.config.dataset.id / "images").rglob("*.png"))
    apply(damage, workspace.root, place.format(run=run.id, data=data.id))
    # Where the run cannot be opened, or is not what is damaged, the first section of a page is enough.
    elsewhere = place.startswith(("datasets", "engines", "runs/{run}/config", "runs/{run}/state"))
    walk(open_page, {} if elsewhere else SECTIONS)
    for command in (
        ("runs",),
        ("evaluate", run.id),
        ("predict", run.id, str(photo)),
        ("report", run.id, "--out", str(tmp_path / "report.html")),
        ("export", run.id, "--format", "model", "--out", str(tmp_path / "model")),
        ("train", data.id, "--backbone", tiny_backbone, "--epochs", "1", "--device", "cpu"),
    ):
        status = main(list(command))
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vitcore: ")]
        assert (status, len(said)) in {(0, 0), (1, 1)}, command
    for command in (("evaluate", other.id), ("predict", other.id, str(photo))):
        assert main(list(command)) == 0
    assert f"{other.id}  complete" in listing(capsys)


def walk(open_page, sections: Mapping[str, Sequence[str]]) -> None:
    """Open every page, and sections of it besides the first."""
    for page in ("dataset", "train", "evaluate", "samples", "predict", "runs"):
        at = open_page(page)
        for section in sections.get(page, ()):
            switches = [group for group in at.button_group if group.key == f"{page}_section"]
            if switches:  # there is none where the run cannot be opened
                switches[0].set_value(section).run()
                assert not at.exception, (page, section)
    for job in job_queue().active():
        job_queue().stop(job)


def listing(capsys) -> str:
    capsys.readouterr()
    assert main(["runs"]) == 0
    return capsys.readouterr().out


# --- what is damaged is named, and can be deleted ----------------------------------------------


@pytest.mark.parametrize(
    ("file", "damage"),
    first_of(
        [
            ("config.json", text("{}")),
            ("evaluation.json", value(metrics={})),
            ("config.json", value(name=5)),
            ("history.jsonl", line(b"{bad\n")),
        ],
        count=2,
    ),
)
def test_a_damaged_run_is_named_and_can_be_deleted(open_page, ui, trained, capsys, file, damage):
    bad = shutil.copytree(trained.run.folder, trained.run.folder.with_name("20990101-000000-000000-00000a"))
    apply(damage, bad, file)
    assert f"{bad.name}  damaged      {bad / file} is damaged" in listing(capsys)
    at = open_page("runs")
    assert len(at.dataframe[0].value) == 1
    assert [f"{bad.name}".replace("-", r"\-") in error.value for error in at.error] == [True]
    ui.press(at, f"delete_{bad.name}")
    assert not at.error
    assert "damaged" not in listing(capsys)
    assert trained.run.id in listing(capsys)


@pytest.mark.parametrize(
    ("file", "damage"),
    [("dataset.json", value(classes=3)), ("index-0001.csv", replaced(b"images/", b"/etc/"))],
)
def test_a_damaged_dataset_is_named_and_can_be_deleted(open_page, ui, trained, file, damage):
    bad = trained.dataset.folder.with_name("20990101-000000-000000-00000a")
    shutil.copytree(trained.dataset.folder, bad)
    apply(damage, bad, file)
    at = open_page("dataset")
    assert [f"{bad.name}".replace("-", r"\-") in error.value for error in at.error] == [True]
    ui.press(at, f"delete_{bad.name}")
    assert not at.error
    assert not bad.exists()
    assert at.header[0].value == "My photos"


@pytest.mark.parametrize(
    ("page", "section", "file", "damage"),
    first_of(
        [
            ("samples", "gallery", "predictions.csv", half),
            ("evaluate", "curves", "probabilities.npy", array(lambda rows: rows[:-1])),
            ("samples", "gallery", "predictions.csv", replaced(b"blue", b"mauve")),
            ("evaluate", "curves", "probabilities.npy", array(lambda rows: rows * np.nan)),
        ],
        count=2,
    ),
)
def test_damaged_results_are_one_sentence_where_they_are_shown(
    open_section, trained, page, section, file, damage
):
    apply(damage, trained.run.folder, file)
    at = open_section(page, section)
    assert ["train it again" in error.value for error in at.error] == [True]


def test_damaged_photos_and_figures_are_named_and_can_be_deleted(open_page, open_section, ui, trained):
    batch = trained.run.folder / "batches" / "20990101-000000-000000-00000a"
    batch.mkdir(parents=True)
    (batch / "about.json").write_text("{}", encoding="utf-8")
    figures = trained.run.folder / "elsewhere-20990101-000000-000000-00000b.json"
    figures.write_text("{}", encoding="utf-8")
    for at, key, path in (
        (open_page("predict"), f"forget_{batch.name}", batch),
        (open_section("evaluate", "elsewhere"), "delete_external_", figures),
    ):
        assert ["is damaged" in error.value for error in at.error] == [True]
        ui.press(at, key)
        assert not at.error
        assert not path.exists()
