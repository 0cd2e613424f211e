"""Two runs on the validation images that they share."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from vitcore.compute import Compute
from vitcore.dataset import delete_class, import_dataset, set_aside
from vitcore.pipeline import compare_runs, train, unshared_reason
from vitcore.training import Hyperparameters


@pytest.fixture
def dataset(picture_folder):
    return import_dataset(picture_folder(count=14))


@pytest.fixture
def trained(dataset, tiny_backbone):
    def work(data=dataset, **changes):
        h = Hyperparameters(**{"epochs": 1, "learning_rate": 1e-4, "validation_fraction": 0.5, **changes})
        return train(data, h, compute=Compute(tiny_backbone, device="cpu"))

    return work


@pytest.fixture
def learn(trained):
    """Trains a run of before every run was cross-validated."""

    def work(*arguments, **changes):
        run = trained(*arguments, **changes)
        return replace(run, facts=replace(run.facts, cross_validation=None))

    return work


def test_they_are_compared_image_by_image(learn):
    first, second = learn(), learn(epochs=20, learning_rate=1e-2)
    found = compare_runs(first, second)
    assert len(found.rows) == len(first.predictions)
    assert (found.relabelled, found.comparison.images) == (0, len(found.rows))
    right = found.rows["first"] == found.rows["true"]
    also = found.rows["second"] == found.rows["true"]
    assert found.first.accuracy == pytest.approx(right.mean()) == pytest.approx(first.evaluation.accuracy)
    assert found.second.accuracy == pytest.approx(also.mean()) == pytest.approx(second.evaluation.accuracy)
    expected = np.select([right & ~also, ~right & also, ~right & ~also], ["first", "second", "neither"], "")
    assert found.rows["only"].tolist() == expected.tolist()
    assert found.comparison.only_first == (expected == "first").sum()


def test_the_one_may_know_fewer_classes(learn, dataset):
    first, second = learn(), learn(delete_class(dataset, "red"))
    found = compare_runs(first, second)
    if found is not None:
        assert found.second.classes == ("blue", "green", "red")
        assert "red" not in set(found.rows["true"])


def test_images_of_another_class_by_now_are_left_out_and_none_may_be_left(learn):
    first, second = learn(), learn(epochs=2)
    relabelled = second.predictions
    relabelled.loc[:1, "true"] = "other"
    assert compare_runs(first, second).relabelled == 2
    relabelled["sha256"] = "0" * 64
    assert compare_runs(first, second) is None


def test_the_figures_are_those_of_the_runs_but_for_the_three_most_probable_classes(learn, picture_folder):
    data = import_dataset(picture_folder(tuple("abcdef"), count=12, name="letters"))
    first, second = learn(data), learn(data, epochs=3, learning_rate=1e-2)
    found = compare_runs(first, second)
    for own, run in ((found.first, first), (found.second, second)):
        metrics = {name: vars(metric) for name, metric in run.evaluation.metrics.items()}
        metrics.pop("top_3_accuracy")
        assert metrics.keys() == own.metrics.keys()
        for name, values in metrics.items():
            assert vars(own.metrics[name]) == pytest.approx(values, rel=1e-5, nan_ok=True), name


# --- which answers ------------------------------------------------------------------------------


def test_test_parts_that_both_have_come_before_validation(learn, dataset):
    sealed = set_aside(dataset, 0.3)
    first, second = learn(sealed), learn(sealed, epochs=3)
    found = compare_runs(first, second)
    assert sorted(found.rows["name"]) == sorted(first.test_predictions["name"])
    assert found.first.accuracy == pytest.approx(first.facts.test.evaluation.accuracy)


def test_cross_validated_answers_are_compared_on_all_images(trained, dataset):
    first, second = trained(), trained(set_aside(dataset, 0.3), epochs=3)
    found = compare_runs(first, second)
    assert len(first.cross_validated) == 42
    assert sorted(found.rows["name"]) == sorted(second.cross_validated["name"])
    assert not set(found.rows["name"]) & set(second.test_predictions["name"])


def test_what_one_tested_and_the_other_learned_from_is_not_compared(learn, dataset):
    first = learn(dataset)
    second = learn(set_aside(dataset, 0.3))
    found = compare_runs(first, second)
    names = set(first.predictions["name"]) & set(second.predictions["name"])
    assert set(found.rows["name"]) == names
    assert not names & set(second.test_predictions["name"])


def test_what_a_ready_made_division_has_on_both_sides_is_not_compared(learn, picture_folder):
    folder = picture_folder(count=14, name="all")
    for part, numbers in (("train", range(10)), ("validation", range(8, 14))):  # 8 and 9 are in both
        for label in ("blue", "green", "red"):
            (folder.parent / "parts" / part / label).mkdir(parents=True)
            for number in numbers:
                name = f"{number:03}.png"
                copy = folder.parent / "parts" / part / label / f"{part}{name}"
                copy.write_bytes((folder / label / name).read_bytes())
    data = import_dataset(folder.parent / "parts")
    first, second = learn(data), learn(data, epochs=2)
    assert first.facts.leak.images == 6
    found = compare_runs(first, second)
    assert found.comparison.images == len(first.predictions) - 6
    assert not found.rows["name"].str.contains("008|009").any()


def test_photos_of_one_group_count_as_a_whole(learn, picture_folder):
    folder = picture_folder(count=18, name="series")
    for file in list(folder.rglob("*.png")):
        file.rename(file.with_name(f"{file.parent.name}{int(file.stem) // 3}_{file.stem}.png"))
    data = import_dataset(folder, group_by="name:^([^_]+)_")
    first, second = learn(data), learn(data, epochs=2)
    found = compare_runs(first, second).comparison
    groups = data.index.set_index("image_id").loc[first.predictions["image_id"], "group"]
    assert 3 * found.groups == 3 * groups.nunique() == found.images
    shutil.rmtree(data.folder)  # with it goes what is known of groups
    assert compare_runs(first, second).comparison.groups == found.images


# --- what to know of it -------------------------------------------------------------------------


def test_what_is_the_same_in_both_needs_no_caveat(learn):
    assert compare_runs(learn(), learn(epochs=2)).caveats == ()


def test_what_is_left_out_and_who_looks_better_than_it_is_are_said(learn, dataset):
    first = learn()
    rows = dataset.index.assign(label=dataset.index["label"].replace("red", "crimson"))
    names = (rows["label"] + (rows["image_id"] // 2).astype("str")).where(rows["label"] == "blue", "")
    recorded = replace(dataset.changes[-1], group_rule="folder:1")
    second = learn(replace(dataset, rows=rows.assign(group=names), changes=(recorded,)))
    relabelled, classes, rules = map(str, compare_runs(first, second).caveats)
    count = (first.predictions["true"] == "red").sum()
    assert relabelled == f"{count} photos whose class was changed in between are left out."
    assert "Only one of the two knows 'crimson' and 'red'" in classes
    assert "by different rules ('folder:1' and 'none')" in rules


# --- why not ------------------------------------------------------------------------------------


def without_shared(run):
    run.predictions["sha256"] = [f"{number:064x}" for number in range(len(run.predictions))]
    return run


def test_why_nothing_is_shared_is_said_as_it_is(learn, picture_folder):
    first, second = learn(), learn(epochs=2)
    second.predictions["true"] = ["other"] * len(second.predictions)
    assert compare_runs(first, second) is None
    assert "moved to another class in between" in str(unshared_reason(first, second))

    second = without_shared(learn(epochs=2))
    assert compare_runs(first, second) is None
    said = str(unshared_reason(first, second))
    assert "another part by now" in said
    assert "seed" not in said

    second = without_shared(learn(seed=7, validation_fraction=0.25))
    said = str(unshared_reason(first, second))
    assert "seed 7 and 25.0 % for validation" in said

    other = learn(import_dataset(picture_folder(("cyan", "pink"), count=9, name="others")))
    assert "different datasets" in str(unshared_reason(first, without_shared(other)))
