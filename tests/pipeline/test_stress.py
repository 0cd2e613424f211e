"""A run on judged photos that were changed on purpose."""

import threading

import numpy as np
import pytest

from vitcore.backbone import Embedder
from vitcore.compute import Compute
from vitcore.dataset import PERTURBATIONS, import_dataset, load_dataset
from vitcore.errors import NotFoundError, Stopped, StorageError
from vitcore.inference import load_classifier, load_trust, set_level
from vitcore.pipeline import UNCHANGED, load_stress, stress_images, stress_test, train
from vitcore.progress import Task
from vitcore.runs import list_runs
from vitcore.training import Hyperparameters


@pytest.fixture
def run(picture_folder, tiny_backbone, prepared_home):
    def learn() -> None:
        h = Hyperparameters(epochs=5, learning_rate=1e-2, validation_fraction=0.4)
        train(import_dataset(picture_folder()), h, compute=Compute(tiny_backbone, device="cpu"))

    prepared_home("stress", learn)
    return list_runs()[0]


def test_every_photo_is_judged_as_it_is_and_in_all_ways(run):
    assert load_stress(run) is None
    found = stress_test(run.id, device="cpu")
    assert found.part == "validation"
    figures = found.figures(load_trust(run.folder))
    assert figures["change"].tolist() == [UNCHANGED, *PERTURBATIONS]
    assert set(figures["images"]) == {run.evaluation.images}
    plain = figures.iloc[0]
    assert plain["accuracy"] == pytest.approx(run.evaluation.accuracy)
    assert plain["confidence"] == pytest.approx(run.predictions["confidence"].mean(), abs=1e-3)
    assert ((figures["low"] <= figures["accuracy"]) & (figures["accuracy"] <= figures["high"])).all()
    for change in PERTURBATIONS:
        own = found.answers[found.answers["change"] == change]
        assert sorted(own["image_id"]) == sorted(run.predictions["image_id"])


def test_what_was_found_is_kept_and_needs_no_photo_again(run, monkeypatch):
    first = stress_test(run.id, device="cpu")
    monkeypatch.setattr(Embedder, "start", None)
    kept, again = load_stress(run), stress_test(run.id, device="cpu")
    for other in (kept, again):
        assert other.answers.to_dict("list") == first.answers.to_dict("list")


def test_an_answer_is_that_of_the_classifier(run):
    found = stress_test(run.id, device="cpu").answers
    row = found[found["change"] == UNCHANGED].iloc[3]
    dataset = load_dataset(run.config.dataset.id)
    classifier = load_classifier(run.folder, head=run.validation_head, device="cpu")
    [answer] = classifier.predict([dataset.path(row["file"])])
    assert (answer.label, answer.confidence) == (row["predicted"], pytest.approx(row["confidence"], abs=1e-3))


def test_the_share_of_not_sure_goes_by_the_level_of_now(run):
    found = stress_test(run.id, device="cpu")
    shares = []
    for level in (0.0, 1.0):
        set_level(run.folder, level)
        figures = found.figures(load_trust(run.folder))
        shares.append(figures["not_sure"].to_numpy())
        sure = figures[figures["not_sure"] < 1]
        assert (sure["sure_accuracy"] * (1 - sure["not_sure"]) <= sure["accuracy"] + 1e-9).all()
    assert (shares[0] == 0).all()
    assert (shares[1] > 0).any()


def test_a_hundred_photos_are_drawn_evenly_from_the_classes(run, monkeypatch):
    rows = run.predictions
    many = rows.loc[np.repeat(rows.index, 20)].reset_index(drop=True)
    many["image_id"] = range(len(many))
    monkeypatch.setitem(run.__dict__, "predictions", many)
    ids = stress_images(run)
    assert ids == stress_images(run)
    assert len(set(ids)) == 100
    counts = many.set_index("image_id").loc[ids, "true"].value_counts()
    assert counts.max() - counts.min() <= 1


def test_a_test_part_is_what_judges(picture_folder, tiny_backbone):
    dataset = import_dataset(picture_folder(count=20), test_fraction=0.3)
    h = Hyperparameters(epochs=3, learning_rate=1e-2)
    run = train(dataset, h, compute=Compute(tiny_backbone, device="cpu"))
    found = stress_test(run.id, device="cpu")
    assert found.part == "test"
    assert set(found.answers["image_id"]) == set(run.test_predictions["image_id"])
    plain = found.answers[found.answers["change"] == UNCHANGED]
    assert (plain["true"] == plain["predicted"]).mean() == run.facts.test.evaluation.accuracy


def test_it_can_be_stopped_and_keeps_nothing_then(run):
    stop = threading.Event()
    seen = []

    def watch(progress):
        seen.append(progress.phase)
        if progress.phase == "embed":
            stop.set()

    with pytest.raises(Stopped):
        stress_test(run.id, device="cpu", task=Task(watch, stop))
    assert set(seen) == {"prepare", "embed"}
    assert load_stress(run) is None


def test_what_is_damaged_or_missing_is_said(run):
    stress_test(run.id, device="cpu")
    (run.folder / "model" / "stress.json").write_text("{}")
    with pytest.raises(StorageError, match="run the stress test again"):
        load_stress(run)
    with pytest.raises(NotFoundError):
        stress_test("no-such-run")
