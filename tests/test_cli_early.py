"""What can be known at the start is refused at the start: before anything is added, computed or searched."""

import json
import shutil
from pathlib import Path

import pytest

from vitcore.backbone import Embedder
from vitcore.cli import main
from vitcore.dataset import Dataset, _import, import_dataset, load_dataset, set_aside
from vitcore.records import TEMPORARY
from vitcore.workspace import Workspace

RULE = "name:^([a-z]+-[0-9]{2})"


@pytest.fixture
def complain(capsys):
    """Runs a command that must fail; gives the one line that says why."""

    def complain(*arguments: object) -> str:
        capsys.readouterr()
        assert main(list(map(str, arguments))) == 1
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vitcore: ")]
        assert len(said) == 1
        return said[0]

    return complain


@pytest.fixture
def named_folder(picture_folder):
    """Makes a folder of pictures whose file names begin with their class."""

    def make(**options) -> Path:
        root = picture_folder(**options)
        for path in root.rglob("*.png"):
            path.rename(path.with_name(f"{path.parent.name}-{path.name}"))
        return root

    return make


@pytest.fixture
def dataset(named_folder) -> Dataset:
    return import_dataset(named_folder())


@pytest.fixture
def no_work(dataset, monkeypatch):  # noqa: ARG001 - which is there before
    """From now on no file of a source is decoded, and no image goes through a backbone."""

    def refuse(*_: object) -> None:
        raise AssertionError("work was done")

    monkeypatch.setattr(_import, "_probe", refuse)
    monkeypatch.setattr(Embedder, "start", refuse)


@pytest.fixture
def more(named_folder):
    return named_folder(name="more", count=16)  # twelve of them are new


def images_on_disk(dataset: Dataset) -> int:
    return sum(path.is_file() for path in (dataset.folder / "images").rglob("*"))


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--test-fraction", 0.25], "The dataset already has a test part, which is kept"),
        (["--test-fraction", 1.5], "The share to set aside for testing is 1.5"),
        (["--group-by", "patient"], "'patient' is no rule for groups"),
    ],
)
def test_an_addition_that_cannot_be_is_refused_before_a_file_is_read(dataset, more, complain, options, said):
    dataset = set_aside(dataset, 0.25)
    assert said in complain("import", more, "--into", dataset.id, *options)
    assert load_dataset(dataset.id).version == dataset.version


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--test-fraction", 0.25], "Class 'rare' has 1 different image"),
        (["--group-by", "column:patient"], "'patient'"),
        (["--group-by", RULE, "--test-fraction", 0.25], "Class 'rare' has 1 different image"),
    ],
)
def test_what_only_the_images_show_is_refused_before_any_is_added(dataset, more, complain, options, said):
    (more / "rare").mkdir()
    (more / "red" / "red-015.png").rename(more / "rare" / "only.png")
    there = images_on_disk(dataset)
    assert said in complain("import", more, "--into", dataset.id, *options)
    assert load_dataset(dataset.id).version == 1
    assert images_on_disk(dataset) == there


def test_an_addition_with_groups_and_a_test_part_is_three_steps(dataset, more, capsys):
    command = [
        "import",
        str(more),
        "--into",
        dataset.id,
        "--group-by",
        RULE,
        "--test-fraction",
        "0.25",
    ]
    assert main(command) == 0
    now = load_dataset(dataset.id)
    pattern = RULE.removeprefix("name:")
    assert [str(change.text) for change in now.changes[1:]] == [
        "Added 12 images.",
        f"Photos whose names agree in '{pattern}' stay together ({now.group_count} groups).",
        f"Set {now.split_counts['test']} photos aside for the final exam.",
    ]
    assert [change.base for change in now.changes] == [0, 1, 2, 3]
    assert len(now.index) == 48
    out = capsys.readouterr().out
    assert all(str(change.text) in out for change in now.changes[1:])


@pytest.mark.usefixtures("no_work")
def test_a_share_of_a_divided_source_is_refused_before_a_file_is_read(picture_folder, tmp_path, complain):
    for part in ("train", "val"):
        picture_folder(name=f"split/{part}", count=3)
    assert "a division of their own" in complain("import", tmp_path / "split", "--test-fraction", 0.2)
    assert "is -1.0; give" in complain("import", tmp_path / "split", "--test-fraction", -1)


@pytest.mark.usefixtures("no_work")
def test_a_search_whose_result_cannot_be_written_does_not_begin(dataset, tmp_path, complain):
    assert "cannot be written" in complain("tune", dataset.id, "--out", tmp_path / "nowhere" / "found.json")
    assert "cannot be written" in complain("tune", dataset.id, "--out", tmp_path)
    assert not [path for path in tmp_path.rglob("*") if TEMPORARY in path.name]


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("option", "value", "named"),
    [("--minutes", 0, "minutes is 0"), ("--input-sizes", 5000, "input_size is 5,000")],
)
def test_a_search_without_sense_does_not_begin(dataset, complain, tiny_backbone, option, value, named):
    assert named in complain("tune", dataset.id, "--backbone", tiny_backbone, option, value)


def test_a_comparison_by_nothing_there_is_refused_before_an_image_is_embedded(
    dataset, more, complain, tiny_backbone, monkeypatch, capsys
):
    assert main(["train", dataset.id, "--backbone", tiny_backbone, "--epochs", "1", "--json"]) == 0
    run_id = json.loads(capsys.readouterr().out)["run_id"]
    shutil.rmtree(Workspace.default().features)

    def refuse(*_: object) -> None:
        raise AssertionError("work was done")

    monkeypatch.setattr(Embedder, "start", refuse)
    said = complain("evaluate", run_id, more, "--by", "ward")
    assert said.endswith("The images cannot be compared by 'ward'; they can by 'brightness'.")
