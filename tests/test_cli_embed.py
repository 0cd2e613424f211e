"""The command that embeds a dataset ahead of a training."""

import json
import sys
from pathlib import Path

import pytest

from vitcore.cli import main
from vitcore.dataset import load_dataset


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


def test_a_training_finds_the_vectors_of_all_parts(ask, picture_folder, tiny_backbone, tmp_path):
    for part, count in (("train", 6), ("val", 3), ("test", 2)):
        picture_folder(name=f"split/{part}", count=count)
    answer = ask("embed", tmp_path / "split", "--backbone", tiny_backbone)
    assert load_dataset(answer["dataset_id"]).split_counts == {"train": 18, "validation": 9, "test": 6}
    assert answer["backbone"] == tiny_backbone
    assert (answer["device"], answer["dtype"], answer["engine"]) == ("cpu", "fp32", "torch")
    assert (answer["images"], answer["vectors"]) == (33, 33)
    # The pictures of a part are the first of the larger part again: they are computed once.
    assert answer["computed"] == 18
    assert answer["images_per_second"] == pytest.approx(18 / answer["seconds"])
    assert Path(answer["folder"]).name == answer["fingerprint"]
    assert (Path(answer["folder"]) / "vectors.f16").is_file()

    again = ask("embed", answer["dataset_id"], "--backbone", tiny_backbone)
    assert (again["computed"], again["seconds"], again["images_per_second"]) == (0, 0.0, 0.0)
    assert again["fingerprint"] == answer["fingerprint"]
    trained = ask("train", answer["dataset_id"], "--backbone", tiny_backbone, "--epochs", 1)
    assert trained["images_per_second"] == 0


def test_variants_and_sizes_are_embedded_as_a_training_wants_them(ask, picture_folder, tiny_backbone):
    photos, backbone = picture_folder(count=4), ("--backbone", tiny_backbone)
    variants = ("--views", 3, "--augmentations", "flip, blur")
    answer = ask("embed", photos, *backbone, *variants)
    assert (answer["images"], answer["vectors"], answer["computed"]) == (12, 36, 36)
    assert ask("embed", photos, *backbone, "--views", 2, "--augmentations", "blur,flip")["computed"] == 0
    assert ask("embed", photos, *backbone, "--views", 2)["computed"] == 12
    smaller = ask("embed", photos, *backbone, "--input-size", 80)
    assert smaller["computed"] == 12
    assert smaller["fingerprint"] != answer["fingerprint"]


def test_the_answer_for_people_is_one_sentence(picture_folder, tiny_backbone, capsys):
    assert main(["embed", str(picture_folder(count=4)), "--backbone", tiny_backbone, "--views", "2"]) == 0
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "'photos': 24 vectors of 12 images are stored, 24 of them computed in" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--views", "0"], "views is 0"),
        (["--augmentations", "sepia"], "sepia"),
        (["--input-size", "20"], "input_size is 20"),
        (["--address", "auto"], "choose '--engine ray'"),
        (["--engine", "ray"], "pip install -r requirements-ray.txt"),
        (["--engine", "ray", "--workers", "0"], "workers is 0"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_read(options, message, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["embed", "nothing", *options]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert message in line
