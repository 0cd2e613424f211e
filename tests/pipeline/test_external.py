"""A run, judged on another labelled dataset."""

import threading

import pytest

from vitcore.compute import Compute
from vitcore.dataset import import_dataset, rename_class
from vitcore.errors import InputError, NotFoundError, Stopped
from vitcore.pipeline import (
    delete_external,
    evaluate_external,
    list_damaged_external,
    load_external,
    match_classes,
    train,
)
from vitcore.progress import Task
from vitcore.runs import list_runs
from vitcore.training import Hyperparameters


@pytest.fixture
def run(picture_folder, tiny_backbone, prepared_home):
    def learn() -> None:
        h = Hyperparameters(epochs=5, learning_rate=1e-2)
        train(import_dataset(picture_folder()), h, compute=Compute(tiny_backbone, device="cpu"))

    prepared_home("elsewhere", learn)
    return list_runs()[0]


@pytest.fixture
def other(picture_folder):
    return import_dataset(picture_folder(count=5, name="other"), name="ExternalEvaluation")


def test_it_is_judged_and_that_is_kept_with_the_run(run, other):
    assert load_external(run) == []
    found = evaluate_external(run.id, other)
    assert found.evaluation.images == 15
    assert found.mapping == {"blue": "blue", "green": "green", "red": "red"}
    assert (found.name, found.version, found.left_out) == ("ExternalEvaluation", other.version, 0)
    (again,) = load_external(run)
    assert again.evaluation.to_dict() == found.evaluation.to_dict()
    assert again.predictions.to_dict("list") == found.predictions.to_dict("list")
    right = again.predictions["true"] == again.predictions["predicted"]
    assert right.mean() == pytest.approx(found.evaluation.accuracy)
    for side in ("here", "there"):
        assert 0 <= getattr(again.drift, side).unlike <= 1
        assert 0 < getattr(again.drift, side).confidence <= 1
    evaluate_external(run.id, other)
    assert len(load_external(run)) == 1


def test_classes_may_have_other_names(run, other):
    other = rename_class(rename_class(other, "red", "scarlet"), "blue", "sky")
    expected = "does not know 'scarlet' and 'sky'; it knows 'blue', 'green' and 'red'"
    with pytest.raises(InputError, match=expected):
        evaluate_external(run.id, other)
    with_some = evaluate_external(run.id, other, match_classes(other.classes, run.classes))
    assert with_some.mapping == {"green": "green", "scarlet": None, "sky": None}
    assert (with_some.evaluation.images, with_some.left_out) == (5, 10)
    with_all = evaluate_external(run.id, other, {"green": "green", "scarlet": "red", "sky": "blue"})
    assert with_all.evaluation.images == 15
    assert set(with_all.predictions["true"]) == {"red", "green", "blue"}


def test_classes_that_are_not_known_are_refused(run, other):
    with pytest.raises(InputError, match="does not know 'purple'"):
        evaluate_external(run.id, other, {"red": "purple"})
    with pytest.raises(InputError, match="All images are left out"):
        evaluate_external(run.id, other, {})


def test_stopped_it_keeps_nothing(run, other):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        evaluate_external(run.id, other, task=Task(stop=stop))
    assert load_external(run) == []


def test_what_is_missing_is_said(other):
    with pytest.raises(NotFoundError):
        evaluate_external("20260101-000000-000000-aaaaaa", other)


def test_damaged_figures_are_left_out_named_and_deleted(run, other):
    found = evaluate_external(run.id, other)
    (run.folder / "elsewhere-x.json").write_text("{}")
    assert [external.dataset_id for external in load_external(run)] == [found.dataset_id]
    assert "judge it on that set again" in str(list_damaged_external(run)["x"])
    delete_external(run, "x")
    assert list_damaged_external(run) == {}
    assert len(load_external(run)) == 1


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("cat", "cat"),
        ("Cats", "cat"),
        (" CAT ", "cat"),
        ("T-Shirt", "tshirts"),
        ("t_shirts", "tshirts"),
        ("Mamá", "mama"),
        ("s", None),
        ("dog", None),
        ("猫", "猫"),
    ],
)
def test_classes_are_matched_by_name(label, meant):
    assert match_classes([label], ["cat", "tshirts", "mama", "猫"]) == {label: meant}


def test_the_exact_name_goes_first():
    assert match_classes(["cat", "Cat", "CATS"], ["Cat", "cat"]) == {
        "cat": "cat",
        "Cat": "Cat",
        "CATS": "Cat",
    }
