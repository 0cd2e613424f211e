import json

import pytest

from vitcore.cli import main
from vitcore.dataset import import_dataset
from vitcore.pipeline import load_sizes
from vitcore.training import Hyperparameters


@pytest.fixture
def sizes(picture_folder, tiny_backbone, capsys):
    """Runs the command on a dataset by its id; its exit status and what it wrote."""
    dataset = import_dataset(picture_folder())

    def sizes(*options):
        chosen = ["--backbone", tiny_backbone, "--device", "cpu", "--engine", "torch", "--epochs", "2"]
        capsys.readouterr()
        status = main(["sizes", dataset.id, *chosen, *options])
        return dataset, status, capsys.readouterr()

    return sizes


def test_sizes_answers_what_each_size_gains_and_costs(sizes, tiny_backbone):
    dataset, status, told = sizes("--images", "24", "--json")
    assert status == 0
    answer = json.loads(told.out)
    assert answer.keys() == {
        "dataset_id",
        "requested",
        "backbone",
        "usual",
        "images",
        "passes",
        "sizes",
        "seconds",
    }
    assert (answer["dataset_id"], answer["images"], answer["passes"]) == (dataset.id, 24, 36)
    assert [result["size"] for result in answer["sizes"]] == [160, 128]
    kept = load_sizes(dataset, Hyperparameters(epochs=2), backbone=tiny_backbone)
    assert [result["verdict"] for result in answer["sizes"]] == [
        str(kept.verdict(size)) for size in kept.sizes
    ]
    assert answer["sizes"][1]["speed"] == kept.sizes[1].speed


@pytest.mark.thorough
def test_sizes_prints_a_line_for_each(sizes):
    _, status, told = sizes("--images", "24", "--sizes", "128,64,96")
    assert status == 0
    lines = told.out.splitlines()
    assert [line.split()[0] for line in lines] == ["128", "96", "64"]
    assert "full size" in lines[0]
    assert all("times as fast" in line for line in lines[1:])


def test_sizes_that_are_no_multiples_of_the_patch_are_one_clear_line(sizes):
    _, status, told = sizes("--sizes", "128,100")
    assert (status, told.out) == (1, "")
    assert "multiples of 16" in told.err.splitlines()[-1]


def test_sizes_that_are_no_numbers_are_wrong_usage(sizes):
    with pytest.raises(SystemExit) as ended:
        sizes("--sizes", "big,small")
    assert ended.value.code == 2
