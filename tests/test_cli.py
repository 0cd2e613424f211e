import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests._archives import zip_of_folder
from vitcore import load_classifier
from vitcore.backbone import Device, Embedder
from vitcore.cli import main
from vitcore.cli._main import _parser
from vitcore.cli._settings import compute_of
from vitcore.compute import Compute
from vitcore.dataset import PERTURBATIONS, load_dataset
from vitcore.engines import _choice
from vitcore.records import plain_values
from vitcore.runs import list_runs, load_run
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

ROOT = Path(__file__).parents[1]
PATIENCE_S = 60.0

METRICS = {
    "accuracy",
    "balanced_accuracy",
    "cohen_kappa",
    "macro_f1",
    "log_loss",
    "expected_calibration_error",
}


@pytest.fixture
def ask(capsys):
    """Runs a command with --json and gives its answer, which must be all there is on stdout."""

    def ask(*arguments):
        capsys.readouterr()
        assert main([*map(str, arguments), "--json"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 1
        return json.loads(lines[0])

    return ask


@pytest.fixture
def complain(capsys):
    """Runs a command that must fail for a reason the user can understand; gives stderr's lines."""

    def complain(*arguments):
        capsys.readouterr()
        assert main(list(map(str, arguments))) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "Traceback" not in captured.err
        return captured.err.splitlines()

    return complain


@pytest.fixture
def train(ask, tiny_backbone):
    """Trains with the tiny backbone."""

    def train(source, *options):
        return ask("train", source, "--backbone", tiny_backbone, *options)

    return train


@pytest.fixture
def photos(picture_folder):
    return picture_folder()


@pytest.fixture
def trained(prepared_home, homes, workspace, train, photos):
    """The answer of a finished training of three epochs, which is in the workspace."""
    kept = homes / "trained by command.json"
    prepared_home(
        "trained by command", lambda: kept.write_text(json.dumps(train(photos, "--epochs", 3)), "utf-8")
    )
    answer = json.loads(kept.read_text("utf-8"))
    return answer | {"folder": str(workspace.runs / answer["run_id"])}


def steady(history):
    """A history without what no two trainings share."""
    return [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in history]


# --- import ------------------------------------------------------------------------------------


def test_import_answers_what_was_found(ask, photos):
    (photos / "red" / "notes.txt").write_text("not a photo")
    (photos / "red" / "broken.png").write_bytes(b"not a photo either")
    answer = ask("import", photos, "--name", "My photos")
    assert answer.keys() >= {"dataset_id", "name", "classes", "images", "splits", "skipped", "warnings"}
    assert answer["name"] == "My photos"
    assert answer["classes"] == {"blue": 12, "green": 12, "red": 12}
    assert answer["images"] == 36
    assert answer["splits"] == {}
    assert [item["name"] for item in answer["skipped"]] == ["red/broken.png", "red/notes.txt"]
    assert all(item["reason"] for item in answer["skipped"])
    assert load_dataset(answer["dataset_id"]).name == "My photos"


def test_import_reads_a_zip_file_like_its_folder(ask, photos, tmp_path):
    archive = tmp_path / "packed.zip"
    archive.write_bytes(zip_of_folder(photos))
    folder, packed = ask("import", photos), ask("import", archive)
    assert packed["name"] == "packed"
    assert packed["classes"] == folder["classes"]


def test_import_keeps_a_ready_made_split(ask, picture_folder, tmp_path):
    for part in ("train", "val"):
        picture_folder(name=f"split/{part}", count=3)
    assert ask("import", tmp_path / "split")["splits"] == {"train": 9, "validation": 9}


def test_import_of_the_same_source_gives_the_same_dataset(ask, photos):
    assert ask("import", photos)["dataset_id"] == ask("import", photos)["dataset_id"]


def test_import_warns_of_a_class_with_few_images(ask, picture_folder):
    assert ask("import", picture_folder(count=3))["warnings"]


# --- train -------------------------------------------------------------------------------------


def test_train_answers_what_became_of_it(trained, photos, tiny_backbone):
    assert trained.keys() >= {
        "run_id",
        "folder",
        "classes",
        "images",
        "epochs_run",
        "best_epoch",
        "validation",
        "seconds",
        "device",
        "dtype",
        "backbone",
        "images_per_second",
    }
    assert trained["classes"] == ["blue", "green", "red"]
    assert trained["images"].keys() == {"train", "validation", "test", "skipped"}
    assert trained["images"]["train"] + trained["images"]["validation"] == len(list(photos.rglob("*.png")))
    assert trained["images"]["skipped"] == 0
    assert trained["epochs_run"] == len(trained["history"]) == 3
    assert 1 <= trained["best_epoch"] <= 3
    assert trained["validation"].keys() == {"loss", "accuracy", "balanced_accuracy", "cohen_kappa"}
    assert trained["seconds"].keys() == {"import", "embed", "fit", "evaluate", "total"}
    assert trained["device"] in {"cpu", "cuda", "mps"}
    assert trained["dtype"] in {"fp32", "bf16", "fp16"}
    assert trained["backbone"] == tiny_backbone
    assert trained["images_per_second"] > 0


def test_train_tells_apart_what_is_easily_told_apart(trained):
    assert trained["validation"]["accuracy"] == 1
    assert trained["validation"]["cohen_kappa"] == 1


def test_train_leaves_the_run_it_answers(trained):
    run = load_run(trained["run_id"])
    assert Path(trained["folder"]) == run.folder
    assert run.state == "complete"
    assert run.evaluation.accuracy == trained["validation"]["accuracy"]
    assert run.evaluation.metrics["log_loss"].value == trained["validation"]["loss"]


def test_train_keeps_the_epoch_with_the_lowest_loss(trained):
    losses = [epoch["validation_loss"] for epoch in trained["history"]]
    assert losses[trained["best_epoch"] - 1] == min(losses)


def test_train_takes_its_options(train, photos):
    options = {
        "epochs": 2,
        "learning_rate": 0.02,
        "batch_size": 8,
        "optimizer": "sgd",
        "schedule": "constant",
        "warmup_epochs": 0,
        "weight_decay": 0.1,
        "label_smoothing": 0.05,
        "balance": "weights",
        "head": "hidden",
        "hidden_units": 8,
        "dropout": 0.1,
        "noise": 0.1,
        "mixup": 0.2,
        "monitor": "accuracy",
        "patience": 1,
        "views": 2,
        "augmentations": ["blur", "flip"],
        "input_size": 96,
        "validation_fraction": 0.25,
        "finish": False,
        "repeats": 2,
        "seed": 7,
    }
    flags = [
        part
        for name, value in options.items()
        for part in (f"--{name.replace('_', '-')}", ",".join(value) if isinstance(value, list) else value)
        if name != "finish"
    ]
    flags.append("--no-finish")
    answer = train(photos, *flags, "--device", "cpu", "--precision", "bf16", "--name", "Mine")
    run = load_run(answer["run_id"])
    assert plain_values(run.hyperparameters) == options
    assert run.name == "Mine"
    assert (answer["device"], answer["dtype"]) == ("cpu", "bf16")
    assert answer["images"]["validation"] == 9


def test_training_twice_needs_no_forward_pass_and_agrees(train, photos):
    first = train(photos, "--epochs", 3)
    again = train(photos, "--epochs", 3)
    assert again["run_id"] != first["run_id"]
    assert again["dataset_id"] == first["dataset_id"]
    assert again["images_per_second"] == 0
    assert steady(again["history"]) == steady(first["history"])
    assert again["validation"] == first["validation"]


@pytest.mark.parametrize("options", [("--learning-rate", 0.1), ("--optimizer", "sgd"), ("--seed", 5)])
@pytest.mark.usefixtures("trained")
def test_other_settings_need_no_forward_pass(train, photos, options):
    assert train(photos, "--epochs", 3, *options)["images_per_second"] == 0


@pytest.mark.usefixtures("trained")
def test_a_new_photo_is_the_only_one_that_needs_a_forward_pass(train, photos, picture_folder):
    more = picture_folder(("a", "b", "c", "d"), name="more")
    (more / "d" / "000.png").rename(photos / "red" / "new.png")
    answer = train(photos, "--epochs", 3)
    assert answer["images_per_second"] > 0
    assert answer["images"]["train"] + answer["images"]["validation"] == 37


def test_a_dataset_can_be_trained_on_by_its_id(ask, train, photos):
    dataset_id = ask("import", photos)["dataset_id"]
    answer = train(dataset_id, "--epochs", 2)
    assert answer["dataset_id"] == dataset_id


def test_one_epoch_is_enough(train, photos):
    assert train(photos, "--epochs", 1)["epochs_run"] == 1


def test_train_says_its_figures_without_json(capsys, photos, tiny_backbone):
    assert main(["train", str(photos), "--backbone", tiny_backbone, "--epochs", "2"]) == 0
    assert "100.0" in capsys.readouterr().out


@pytest.mark.thorough
@pytest.mark.thorough
def test_a_process_that_trains_warns_of_nothing(photos, tiny_backbone):
    command = ["train", str(photos), "--backbone", tiny_backbone, "--epochs", "2", "--json"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "vitcore", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert json.loads(done.stdout)["epochs_run"] == 2
    assert [line for line in done.stderr.splitlines() if "warn" in line.lower()] == []


def test_train_answers_the_leak_of_a_ready_made_split_and_says_it(train, capsys, picture_folder, tmp_path):
    for part, count in (("train", 6), ("val", 3)):
        picture_folder(name=f"split/{part}", count=count)  # the same pictures in both
    answer = train(tmp_path / "split", "--epochs", 2)
    assert answer["leak"] == {
        "images": 9,
        "accuracy": answer["validation"]["accuracy"],
        "accuracy_without": None,
    }
    assert train(picture_folder(), "--epochs", 2)["leak"] is None
    backbone = answer["backbone"]
    assert main(["train", str(tmp_path / "split"), "--backbone", backbone, "--epochs", "2"]) == 0
    assert "9 of the validation photos, or near-copies of them" in capsys.readouterr().out


def test_further_seeds_are_said(train, photos, capsys, tiny_backbone):
    assert len(train(photos, "--epochs", 2, "--repeats", 2)["repeats"]["seeds"]) == 2
    assert main(["train", str(photos), "--backbone", tiny_backbone, "--epochs", "2", "--repeats", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("From 2 other seeds: accuracy ")


@pytest.fixture
def bf16_is_faster(monkeypatch):
    """A CPU on which torch in bf16 is measured as twice as fast, and agrees."""
    rates = {"fp32": 1.0, "bf16": 2.0}
    monkeypatch.setattr(
        _choice, "_worth_trying", lambda *wish: [("bf16", "torch")] if wish[1] in ("auto", "bf16") else []
    )
    monkeypatch.setattr(
        _choice,
        "_timed",
        lambda embedder, pixels: (
            Embedder(embedder.backbone, Device("cpu", "CPU", "fp32")).embed(pixels),
            rates[embedder.device.precision],
        ),
    )


WISHES = {"auto": (), "fp32": ("--precision", "fp32"), "torch": ("--engine", "torch")}


@pytest.mark.thorough
@pytest.mark.usefixtures("bf16_is_faster")
@pytest.mark.parametrize("order", [("auto", "fp32", "torch"), ("torch", "fp32", "auto")])
def test_what_is_asked_for_is_done_whatever_was_before(train, ask, photos, tmp_path, order):
    """A training after each other one in one workspace; the export of what was asked for exactly agrees."""
    dataset = ask("import", photos)["dataset_id"]
    for wish in order:
        answer = train(dataset, "--epochs", 2, "--device", "cpu", *WISHES[wish])
        assert (answer["dtype"], answer["engine"]["engine"]) == (
            "bf16" if wish == "auto" else "fp32",
            "torch",
        )
        if wish == "fp32":
            exported = ask("export", answer["run_id"], "--format", "onnx", "--out", tmp_path / "out")
            exact = {found["kind"]: found["largest_difference"] for found in exported["agreement"]}
            assert exact["onnx"] <= 1e-3


def test_a_settings_file_says_what_to_compute_with_and_options_come_over_it(
    train, photos, tiny_backbone, tmp_path
):
    file = tmp_path / "settings.json"
    requested = {"backbone": tiny_backbone, "precision": "bf16", "device": "cpu"}
    file.write_text(json.dumps({"hyperparameters": {"epochs": 1}, "requested": requested}), encoding="utf-8")
    options = _parser().parse_args(["train", str(photos), "--settings", str(file)])
    assert compute_of(options) == Compute(**requested)
    options = _parser().parse_args(["train", str(photos), "--settings", str(file), "--precision", "fp32"])
    assert compute_of(options) == Compute(**{**requested, "precision": "fp32"})
    assert compute_of(_parser().parse_args(["train", str(photos)])) == Compute()
    assert train(photos, "--settings", file)["dtype"] == "bf16"


def test_a_division_that_cannot_be_asked_for_is_said(tiny_backbone, photos, capsys):
    for part in ("train", "val"):
        for folder in ("blue", "green"):
            (photos.parent / "split" / part / folder).mkdir(parents=True)
            for number in range(3):
                name = f"{number + 3 * (part == 'val'):03}.png"
                shutil.copy(photos / folder / name, photos.parent / "split" / part / folder / name)
    command = ["train", str(photos.parent / "split"), "--backbone", tiny_backbone, "--epochs", "1"]
    assert main([*command, "--validation-fraction", "0.4"]) == 0
    assert "which is kept; --validation-fraction has no effect." in capsys.readouterr().err
    assert main(command) == 0
    assert "--validation-fraction" not in capsys.readouterr().err


# --- tune --------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_settings_that_are_found_can_be_trained_with(ask, train, photos, tiny_backbone, tmp_path):
    file = tmp_path / "found.json"
    options = ["--backbone", tiny_backbone, "--epochs", 2, "--backbones", "", "--input-sizes", "64,96"]
    found = ask("tune", photos, *options, "--minutes", 5, "--out", file)
    recipes = found["recipes"]
    assert recipes[0]["hyperparameters"]["epochs"] == 2
    assert [recipe["input_size"] for recipe in recipes[:3]] == [0, 64, 96]
    assert {recipe["backbone"] for recipe in recipes} == {tiny_backbone}
    assert all(recipe["low"] <= recipe["difference"] <= recipe["high"] for recipe in recipes)
    chosen = found["hyperparameters"]
    assert (chosen == recipes[0]["hyperparameters"]) == (not found["better"])
    answer = train(photos, "--settings", file, "--seed", 4)
    assert load_run(answer["run_id"]).hyperparameters == Hyperparameters.from_dict({**chosen, "seed": 4})


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"[]",
        b'{"hyperparameters": {"magic": 1}}',
        b'{"epochs": 0}',
        b'{"requested": {"device": "tpu"}}',
        b'{"requested": []}',
    ],
)
def test_a_settings_file_without_settings_is_an_error(photos, capsys, tmp_path, content):
    file = tmp_path / "settings.json"
    if content is not None:
        file.write_bytes(content)
    assert main(["train", str(photos), "--settings", str(file)]) == 1
    assert capsys.readouterr().err.startswith("vitcore: ")


def test_tune_says_what_it_does_and_what_it_found_without_json(photos, capsys, tiny_backbone, few_heads):  # noqa: ARG001
    command = ["tune", str(photos), "--backbone", tiny_backbone, "--epochs", "2", "--backbones", ""]
    assert main([*command, "--input-sizes", "64", "--minutes", "2"]) == 0
    printed = capsys.readouterr()
    assert "Comparing 2 recipes on up to 30 training photos: 2.0 minutes at most." in printed.err
    assert "Compared 2 recipes on 30 training photos" in printed.out
    assert "- 64 pixels: " in printed.out


def test_tune_takes_sizes_that_are_numbers(photos):
    with pytest.raises(SystemExit) as ended:
        main(["tune", str(photos), "--input-sizes", "big,small"])
    assert ended.value.code == 2


# --- audit -------------------------------------------------------------------------------------


@pytest.fixture
def flawed(photos):
    """Twelve photos per class, one copy, and one photo under two labels."""
    (photos / "red" / "copy.png").write_bytes((photos / "red" / "003.png").read_bytes())
    (photos / "blue" / "wrong.png").write_bytes((photos / "green" / "005.png").read_bytes())
    return photos


def test_audit_answers_what_is_wrong_with_names_to_look_at(ask, flawed, tiny_backbone):
    answer = ask("audit", flawed, "--backbone", tiny_backbone)
    assert answer.keys() == {"dataset_id", "findings", "remarks"}
    contradiction, copies = answer["findings"]
    assert contradiction.keys() == {"kind", "sentence", "images", "remedies"}
    assert contradiction["kind"] == "contradiction"
    assert contradiction["images"] == [["blue/wrong.png", "green/005.png"]]
    assert contradiction["remedies"] == ["relabel", "exclude"]
    assert (copies["kind"], copies["images"]) == ("copies", [["red/003.png", "red/copy.png"]])
    assert all(remark.keys() == {"good", "sentence"} for remark in answer["remarks"])
    assert any("exact cop" in remark["sentence"] for remark in answer["remarks"])
    again = ask("audit", answer["dataset_id"], "--backbone", tiny_backbone)
    assert again == answer


def test_audit_says_its_findings_without_json(capsys, flawed, tiny_backbone):
    assert main(["audit", str(flawed), "--backbone", tiny_backbone, "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "in more than one class" in said
    assert "    blue/wrong.png, green/005.png" in said


@pytest.mark.usefixtures("trained")
def test_audit_after_a_training_needs_no_forward_pass(ask, photos, tiny_backbone, monkeypatch):
    monkeypatch.setattr("vitcore.backbone.Embedder.start", None)
    assert ask("audit", photos, "--backbone", tiny_backbone)["findings"] == []


# --- evaluate ----------------------------------------------------------------------------------


def test_evaluate_answers_the_figures_of_the_run(ask, trained):
    answer = ask("evaluate", trained["run_id"])
    assert answer.keys() >= {"metrics", "classes", "confusion", "images"}
    assert answer["metrics"].keys() >= METRICS
    for metric in answer["metrics"].values():
        assert metric.keys() == {"value", "low", "high"}
        assert (metric["low"] is None) == (metric["high"] is None)
        assert metric["low"] is None or metric["low"] <= metric["high"]
    assert answer["classes"] == trained["classes"]
    assert answer["images"] == trained["headline"]["images"] == 36
    assert [len(row) for row in answer["confusion"]] == [3, 3, 3]
    assert sum(map(sum, answer["confusion"])) == answer["images"]
    assert answer["metrics"]["accuracy"]["value"] == trained["headline"]["accuracy"]


def test_compare_answers_which_of_two_runs_is_better(ask, complain, trained, train, workspace):
    again = train(trained["dataset_id"], "--epochs", 20, "--learning-rate", 0.02)
    answer = ask("compare", again["run_id"], trained["run_id"])
    assert answer["images"] == trained["headline"]["images"]
    counts = [answer[name] for name in ("both_right", "only_first", "only_second", "both_wrong")]
    assert sum(counts) == answer["images"]
    assert answer["difference"] == pytest.approx((counts[1] - counts[2]) / answer["images"])
    assert answer["low"] <= answer["difference"] <= answer["high"]
    for name in ("predictions", "cross-validation"):
        path = workspace.runs / trained["run_id"] / f"{name}.csv"
        path.write_text(re.sub(r"\b[0-9a-f]{64}\b", "0" * 64, path.read_text()))
    [line] = complain("compare", again["run_id"], trained["run_id"])
    assert "judged on different photos" in line


def test_evaluate_judges_on_another_set(ask, trained, picture_folder, workspace):
    # What is called red there shows blue, so row "red" has its images in column "blue".
    other = picture_folder(("blue", "green"), count=4, name="other")
    for path in sorted((other / "green").iterdir()):
        path.write_bytes((other / "blue" / path.name).read_bytes())
    (other / "green").rename(other / "red")
    answer = ask("evaluate", trained["run_id"], other)
    assert answer["images"] == 8
    assert answer["classes"] == ["blue", "green", "red"]
    assert answer["confusion"] == [[4, 0, 0], [0, 0, 0], [4, 0, 0]]
    assert answer["metrics"]["accuracy"]["value"] == 0.5
    assert len(workspace.ids(workspace.datasets)) == 1


def test_evaluate_judges_on_a_dataset_by_its_id(ask, trained):
    answer = ask("evaluate", trained["run_id"], trained["dataset_id"])
    assert answer["images"] == 36


def test_evaluate_on_a_class_that_is_not_known_is_an_error(complain, trained, picture_folder):
    lines = complain("evaluate", trained["run_id"], picture_folder(("purple", "red"), name="other"))
    assert "purple" in lines[-1]
    assert lines[-1].startswith("vitcore: ")


def test_evaluate_is_told_what_classes_mean(ask, complain, trained, picture_folder):
    other = picture_folder(("purple", "red"), name="other")
    as_blue = ask("evaluate", trained["run_id"], other, "--map", "purple=blue")
    assert as_blue["images"] == 24
    assert ask("evaluate", trained["run_id"], other, "--map", "purple=")["images"] == 12
    assert "no class 'pink'" in complain("evaluate", trained["run_id"], other, "--map", "pink=blue")[-1]


def test_evaluate_says_its_figures_without_json(capsys, trained):
    assert main(["evaluate", trained["run_id"]]) == 0
    assert "kappa" in capsys.readouterr().out


# --- predict -----------------------------------------------------------------------------------


def test_predict_keeps_the_order_and_the_repetitions(ask, trained, photos):
    paths = [str(photos / name) for name in ("red/001.png", "blue/000.png", "red/001.png", "green/011.png")]
    answer = ask("predict", trained["run_id"], *paths)
    assert [row["path"] for row in answer["predictions"]] == paths
    assert [row["label"] for row in answer["predictions"]] == ["red", "blue", "red", "green"]
    assert answer["skipped"] == []


def test_predict_answers_a_probability_for_every_class(ask, trained, photos):
    (row,) = ask("predict", trained["run_id"], photos / "red/001.png")["predictions"]
    assert row.keys() == {"path", "label", "confidence", "sure", "reason", "probabilities"}
    assert row["probabilities"].keys() == {"blue", "green", "red"}
    assert sum(row["probabilities"].values()) == pytest.approx(1)
    assert row["confidence"] == row["probabilities"]["red"] == max(row["probabilities"].values())
    assert isinstance(row["sure"], bool)


def test_predict_skips_what_is_no_image_and_goes_on(ask, trained, photos, tmp_path):
    text, missing = tmp_path / "text.jpg", tmp_path / "missing.jpg"
    text.write_text("I am not a photo.")
    answer = ask("predict", trained["run_id"], text, photos / "red/000.png", missing)
    assert [row["label"] for row in answer["predictions"]] == ["red"]
    assert [item["path"] for item in answer["skipped"]] == [str(text), str(missing)]
    assert all(item.keys() == {"path", "reason"} and item["reason"] for item in answer["skipped"])


def test_predict_goes_through_folders(ask, trained, photos):
    (photos / "red" / ".hidden").write_text("not for us")
    answer = ask("predict", trained["run_id"], photos / "red", photos / "blue/003.png")
    expected = [*sorted((photos / "red").glob("*.png")), photos / "blue/003.png"]
    assert [row["path"] for row in answer["predictions"]] == list(map(str, expected))
    assert answer["skipped"] == []


def test_predict_of_an_empty_folder_predicts_nothing(ask, trained, tmp_path):
    (tmp_path / "empty").mkdir()
    assert ask("predict", trained["run_id"], tmp_path / "empty") == {"predictions": [], "skipped": []}


@pytest.mark.parametrize("folder", ["", "model"])
def test_predict_takes_the_folder_of_a_run_or_of_its_model(ask, trained, photos, folder):
    image = photos / "green/002.png"
    by_folder = ask("predict", Path(trained["folder"], folder), image)
    assert by_folder == ask("predict", trained["run_id"], image)


def test_a_model_folder_works_elsewhere(ask, trained, photos, tmp_path, monkeypatch):
    model = Path(trained["folder"], "model").rename(tmp_path / "taken along")
    monkeypatch.setenv("VITCORE_HOME", str(tmp_path / "another home"))
    (row,) = ask("predict", model, photos / "green/002.png")["predictions"]
    assert row["label"] == "green"


def test_predict_agrees_with_what_the_run_says_of_its_validation_images(ask, trained):
    run, dataset = load_run(trained["run_id"]), load_dataset(trained["dataset_id"])
    assert run.facts.finish is not None
    path = run.folder / "model" / "head.safetensors"
    shutil.copyfile(run.validation_head, path)  # what was judged, in place of what learned from these images
    config = json.loads((path.parent / "config.json").read_text())
    config["digests"]["head.safetensors"] = run.facts.finish.head_sha256
    (path.parent / "config.json").write_text(json.dumps(config))
    answer = ask("predict", run.id, *(dataset.path(file) for file in run.predictions["file"]))
    assert [row["label"] for row in answer["predictions"]] == list(run.predictions["predicted"])
    confidences = [row["confidence"] for row in answer["predictions"]]
    assert confidences == pytest.approx(list(run.predictions["confidence"]), abs=1e-3)


def test_predict_agrees_with_python(ask, trained, photos):
    image = photos / "blue/004.png"
    (row,) = ask("predict", trained["run_id"], image)["predictions"]
    prediction = load_classifier(trained["folder"]).predict([image])[0]
    assert (row["label"], row["confidence"]) == (prediction.label, prediction.confidence)


def test_predict_says_one_line_per_image_without_json(capsys, trained, photos, tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("I am not a photo.")
    capsys.readouterr()
    assert main(["predict", trained["run_id"], str(photos / "red"), str(text)]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 12
    assert str(text) in captured.err


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
@pytest.mark.parametrize("csv_options", [(), ("--csv", "answers.csv")])
def test_predict_copes_with_a_file_name_that_is_no_text(
    ask, trained, photos, tmp_path, monkeypatch, csv_options
):
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / os.fsdecode(b"\xff.png")
    odd.write_bytes((photos / "red/000.png").read_bytes())
    (row,) = ask("predict", trained["run_id"], odd, *csv_options)["predictions"]
    assert row["label"] == "red"


# --- runs --------------------------------------------------------------------------------------


def test_no_runs_are_no_error(ask, capsys):
    assert ask("runs") == {"runs": [], "damaged": []}
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.strip()


def test_runs_lists_every_run(ask, train, trained, photos):
    again = train(photos, "--epochs", 2, "--name", "The second")
    rows = {row["run_id"]: row for row in ask("runs")["runs"]}
    assert rows.keys() == {trained["run_id"], again["run_id"]}
    row = rows[again["run_id"]]
    assert row["name"] == "The second"
    assert row["state"] == "complete"
    assert row["epochs_run"] == 2
    assert row["dataset_id"] == again["dataset_id"]
    assert row["folder"] == again["folder"]
    assert row["accuracy"] == again["validation"]["accuracy"]
    assert row["cohen_kappa"] == again["validation"]["cohen_kappa"]


def test_runs_deletes_a_run(ask, train, trained, photos):
    again = train(photos, "--epochs", 2)
    rows = ask("runs", "--delete", trained["run_id"])["runs"]
    assert [row["run_id"] for row in rows] == [again["run_id"]]
    assert not Path(trained["folder"]).exists()


def test_a_failed_run_is_listed_with_its_reason(ask, complain, photos, tiny_backbone):
    wild = ["--optimizer", "sgd", "--learning-rate", 10, "--weight-decay", 10, "--epochs", 300]
    lines = complain("train", photos, "--backbone", tiny_backbone, *wild)
    (row,) = ask("runs")["runs"]
    assert row["state"] == "failed"
    assert row["accuracy"] is None
    assert lines[-1] == f"vitcore: {row['message']}"


# --- doctor ------------------------------------------------------------------------------------


def test_doctor_answers_what_this_machine_offers(ask, workspace, trained):
    answer = ask("doctor")
    assert answer.keys() >= {
        "python",
        "system",
        "packages",
        "device",
        "embedded_weights",
        "model_hub",
        "datasets",
        "runs",
    }
    assert answer["python"] == ".".join(map(str, sys.version_info[:3]))
    assert all(answer["packages"].values())
    assert answer["device"] == trained["device"]
    assert (answer["datasets"], answer["runs"]) == (1, 1)
    assert str(workspace.root) in answer.values()


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "no-such-folder"),
        ("import", "no\nsuch\nfolder"),
        ("import", "text.zip"),
        ("import", "empty"),
        ("train", "no-such-folder"),
        ("train", "20260101-000000-000000"),
        ("train", "photos", "--epochs", "0"),
        ("train", "photos", "--epochs", "3", "--warmup-epochs", "3"),
        ("train", "photos", "--learning-rate", "nan"),
        ("train", "photos", "--learning-rate", "-1"),
        ("train", "photos", "--batch-size", "0"),
        ("train", "photos", "--optimizer", "magic"),
        ("train", "photos", "--validation-fraction", "1"),
        ("train", "photos", "--seed", "-1"),
        ("audit", "no-such-folder"),
        ("audit", "empty"),
        ("evaluate", "no-such-run"),
        ("evaluate", "../../etc"),
        ("predict", "no-such-run", "photo.png"),
        ("predict", "empty", "photo.png"),
        ("predict", "text.zip", "photo.png"),
        ("runs", "--delete", "no-such-run"),
        ("runs", "--delete", ".."),
    ],
    ids=lambda arguments: " ".join(arguments).replace("\n", "/"),
)
@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_an_error_is_one_line_on_stderr(complain, tmp_path, monkeypatch, arguments, options):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("not a zip file")
    (line,) = complain(*arguments, *options)
    assert line.startswith("vitcore: ")


@pytest.mark.parametrize(
    "options",
    [
        ("--backbone", "no-such-network"),
        ("--backbone", "resnet18"),
        ("--backbone", "vit_base_patch16_224.augreg2_in21k_ft_in1k"),
        ("--backbone", "missing.safetensors"),
        ("--backbone", "text.safetensors"),
        ("--device", "cpu", "--precision", "fp16"),
    ],
    ids=" ".join,
)
def test_an_error_before_the_training_starts_leaves_no_run(ask, complain, photos, options, workspace):
    photos.joinpath("text.safetensors").write_text("not weights")
    options = [str(photos / part) if part.endswith("text.safetensors") else part for part in options]
    dataset_id = ask("import", photos)["dataset_id"]
    (line,) = complain("train", dataset_id, *options)
    assert line.startswith("vitcore: ")
    assert workspace.ids(workspace.runs) == []


@pytest.mark.parametrize("classes", [("red",), ("red", "x")], ids=["one class", "one image"])
def test_a_dataset_too_small_to_train_on_is_an_error(complain, picture_folder, tiny_backbone, classes):
    photos = picture_folder(classes)
    if "x" in classes:
        for path in sorted((photos / "x").iterdir())[1:]:
            path.unlink()
    lines = complain("train", photos, "--backbone", tiny_backbone)
    assert lines[-1].startswith("vitcore: ")
    assert sum(line.startswith("vitcore: ") for line in lines) == 1


def test_a_csv_file_that_cannot_be_written_is_an_error(complain, trained, photos, tmp_path):
    (line,) = complain("predict", trained["run_id"], photos / "red", "--csv", tmp_path / "no" / "answers.csv")
    assert "answers.csv" in line


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("paint",),
        ("import",),
        ("import", "photos.zip", "--root"),
        ("train", "photos", "--epochs", "many"),
        ("train", "photos", "--device", "abacus"),
        ("train", "photos", "--precision", "fp8"),
        ("train", "photos", "--epoch", "3"),
        ("predict", "a-run"),
        ("evaluate",),
        ("runs", "--delete"),
        ("doctor", "--fast"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as exit_info:
        main(list(arguments))
    assert exit_info.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "usage:" in captured.err


@pytest.mark.parametrize(
    "command", [(), ("import",), ("train",), ("audit",), ("evaluate",), ("predict",), ("runs",)]
)
def test_help_is_no_error(capsys, command):
    with pytest.raises(SystemExit) as exit_info:
        main([*command, "--help"])
    assert exit_info.value.code == 0
    assert "usage:" in capsys.readouterr().out


# --- the workspace -----------------------------------------------------------------------------


def test_everything_lands_in_the_home_that_is_set(train, photos, tmp_path, monkeypatch):
    home = tmp_path / "somewhere" / "else"
    monkeypatch.setenv("VITCORE_HOME", str(home))
    answer = train(photos, "--epochs", 2)
    assert Path(answer["folder"]).parent == home / "runs"
    assert [entry.name for entry in (home / "datasets").iterdir()] == [answer["dataset_id"]]
    assert not (tmp_path / "home" / "runs" / answer["run_id"]).exists()


def test_a_home_that_cannot_be_made_is_an_error(complain, photos, monkeypatch):
    monkeypatch.setenv("VITCORE_HOME", str(photos / "red" / "000.png" / "home"))
    (line,) = complain("import", photos)
    assert "VITCORE_HOME" in line


# --- being interrupted -------------------------------------------------------------------------


@pytest.fixture
def long_training(photos, tiny_backbone):
    """A process that trains for very many epochs and has finished some; it is killed in the end."""
    options = ["--backbone", tiny_backbone, "--epochs", "1000", "--batch-size", "1", "--json"]
    options += ["--schedule", "constant"]
    process = subprocess.Popen(
        [sys.executable, "-m", "vitcore", "train", str(photos), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not any(len(run.history) >= 2 for run in list_runs()):
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


@pytest.mark.thorough
@pytest.mark.thorough
def test_ctrl_c_stops_a_training_and_keeps_its_best_epoch(long_training, ask, photos):
    assert list_runs()[0].state == "running"
    long_training.send_signal(signal.SIGINT)
    stdout, stderr = long_training.communicate(timeout=PATIENCE_S)
    assert long_training.returncode == 130
    assert "Traceback" not in stderr
    answer = json.loads(stdout)
    run = load_run(answer["run_id"])
    assert run.state == "stopped"
    assert run.has_model
    assert 2 <= len(run.history) == answer["epochs_run"] < 1000
    (row,) = ask("predict", run.id, photos / "red/000.png")["predictions"]
    assert row["label"] in run.classes


@pytest.mark.thorough
@pytest.mark.thorough
def test_a_stopped_training_goes_on(long_training, ask, complain):
    long_training.send_signal(signal.SIGINT)
    answer = json.loads(long_training.communicate(timeout=PATIENCE_S)[0])
    # At a constant learning rate a training may be shortened; nobody wants to wait for a thousand epochs.
    path = Path(answer["folder"]) / "config.json"
    config = json.loads(path.read_text())
    config["hyperparameters"]["epochs"] = epochs = answer["epochs_run"] + 3
    path.write_text(json.dumps(config))
    resumed = ask("resume", answer["run_id"])
    assert (resumed["run_id"], resumed["state"]) == (answer["run_id"], "complete")
    assert [record["epoch"] for record in resumed["history"]] == list(range(1, epochs + 1))
    (line,) = complain("resume", answer["run_id"])
    assert "is complete" in line


@pytest.mark.thorough
@pytest.mark.thorough
def test_a_killed_training_is_interrupted_and_can_be_deleted(long_training, ask, complain, workspace):
    (run,) = list_runs()
    lines = complain("runs", "--delete", run.id)
    assert run.id in lines[0]
    assert load_run(run.id).state == "running"

    long_training.kill()
    assert long_training.wait(PATIENCE_S) == -signal.SIGKILL
    (row,) = ask("runs")["runs"]
    assert row["run_id"] == run.id
    assert row["state"] == "interrupted"
    assert row["epochs_run"] >= 2
    assert row["accuracy"] is None
    assert complain("evaluate", run.id)

    assert ask("runs", "--delete", run.id) == {"runs": [], "damaged": []}
    assert Workspace.default().ids(workspace.runs) == []


# --- groups ------------------------------------------------------------------------------------


def test_images_that_belong_together_are_kept_together(ask, train, photos):
    for path in photos.rglob("*.png"):  # three subjects in each class, four frames of each
        number = int(path.stem)
        path.rename(path.with_name(f"{path.parent.name}{number // 4}_{number % 4}.png"))
    plain = ask("import", photos)
    assert plain["groups"] == {"rule": "none", "count": 0}
    assert any("36 photos look like 9 series" in warning for warning in plain["warnings"])
    rule = r"name:^([^_]+)_"
    grouped = ask("import", photos, "--group-by", rule)
    assert grouped["groups"] == {"rule": rule, "count": 9}
    answer = train(plain["dataset_id"], "--epochs", 1, "--group-by", rule)
    assert answer["groups"] == {"rule": rule, "count": 9}
    assert answer["images"]["validation"] % 4 == 0
    assert not any("series" in warning for warning in answer["warnings"])
    assert any("series" in warning for warning in train(photos, "--epochs", 1)["warnings"])


def test_a_rule_that_is_none_is_said(complain, photos):
    [line] = complain("import", photos, "--group-by", "patient")
    assert "'patient' is no rule for groups" in line


def test_a_share_can_be_set_aside_and_its_figure_is_the_headline(ask, train, photos):
    answer = ask("import", photos, "--test-fraction", 0.25)
    assert answer["splits"] == {"test": 9}
    answer = train(answer["dataset_id"], "--epochs", 2)
    assert answer["images"] == {"train": 21, "validation": 6, "test": 9, "skipped": 0}
    assert answer["test"].keys() >= {"loss", "accuracy", "balanced_accuracy", "cohen_kappa", "low", "high"}
    assert answer["headline"] == {
        "source": "test",
        "images": 9,
        **{name: answer["test"][name] for name in ("accuracy", "low", "high")},
    }


def test_without_a_test_part_the_headline_is_cross_validated(trained):
    assert trained["test"] is None
    figures = trained["cross_validation"]["evaluation"]["metrics"]["accuracy"]
    assert trained["headline"] == {
        "source": "cross-validation",
        "accuracy": figures["value"],
        "low": figures["low"],
        "high": figures["high"],
        "images": trained["images"]["train"] + trained["images"]["validation"],
    }
    assert trained["finish"]["images"] == 36


# --- slices ------------------------------------------------------------------------------------


def test_evaluate_answers_the_accuracy_by_what_images_have_in_common(ask, complain, train, photos):
    for path in (photos / "red").glob("*.png"):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    run = train(photos, "--epochs", 2)
    slices = ask("evaluate", run["run_id"], "--by", "format")["slices"]
    assert {row["value"] for row in slices} == {"BMP", "PNG"}
    assert sum(row["images"] for row in slices) == run["headline"]["images"] == 36
    assert all(row.keys() == {"value", "images", "accuracy", "low", "high"} for row in slices)
    by_light = ask("evaluate", run["run_id"], "--by", "brightness")["slices"]
    assert sum(row["images"] for row in by_light) == 36
    assert {row["value"].split()[0] for row in by_light} <= {"dark", "medium", "bright"}
    line = complain("evaluate", run["run_id"], "--by", "camera")[-1]
    assert line.endswith("cannot be compared by 'camera'; they can by 'format' and 'brightness'.")


# --- stress test -------------------------------------------------------------------------------


def test_evaluate_answers_how_it_does_on_changed_photos(ask, complain, capsys, trained, photos, monkeypatch):
    rows = ask("evaluate", trained["run_id"], "--stress")["stress"]
    assert [row["change"] for row in rows] == ["unchanged", *PERTURBATIONS]
    for row in rows:
        assert row.keys() == {"change", "images", "accuracy", "low", "high", "confidence", "not_sure"}
        assert row["images"] == trained["images"]["validation"]
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
    assert rows[0]["accuracy"] == trained["validation"]["accuracy"]
    monkeypatch.setattr("vitcore.backbone.Embedder.start", None)  # it is known now
    assert main(["evaluate", trained["run_id"], "--stress"]) == 0
    assert "upside down" in capsys.readouterr().out
    assert "leave out SOURCE" in complain("evaluate", trained["run_id"], photos, "--stress")[-1]
