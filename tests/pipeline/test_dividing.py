"""Photos keep their side through trainings, searches and versions of their dataset."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests._pictures import soft_photo
from vitcore.compute import Compute
from vitcore.dataset import Dataset, add_images, import_dataset, kept_divisions, load_image
from vitcore.evaluation import NeighbourIndex
from vitcore.inference import explain, heatmap, load_classifier
from vitcore.layouts import CROP, Reading
from vitcore.pipeline import _searching, _training, compare_runs, find_recipe, resume, run_vectors, train
from vitcore.runs import DIVISION, Run, RunWriter, list_runs, load_run
from vitcore.training import Hyperparameters

SHORT = Hyperparameters(epochs=2, learning_rate=1e-2, validation_fraction=0.25)


@pytest.fixture
def dataset(picture_folder) -> Dataset:
    return import_dataset(picture_folder(count=16))


@pytest.fixture
def compute(tiny_backbone) -> Compute:
    return Compute(tiny_backbone, device="cpu")


@pytest.fixture
def learn(compute):
    def work(data: Dataset, h: Hyperparameters = SHORT, **options) -> Run:
        return train(data, h, compute=compute, **options)

    return work


def judged(run: Run) -> set[str]:
    """The contents of its validation photos."""
    return set(run.predictions["sha256"])


@pytest.fixture
def grown(dataset, picture_folder) -> Dataset:
    """The dataset with more photos of each class, and a class of which it had none."""
    return add_images(dataset, picture_folder(("blue", "green", "red", "yellow"), count=24, name="more"))


def test_two_versions_are_compared_on_all_that_judged_the_first(dataset, learn, picture_folder):
    first = learn(dataset)
    second = learn(
        add_images(dataset, picture_folder(("blue", "green", "red", "yellow"), count=24, name="more"))
    )
    assert judged(first) < judged(second)
    assert second.config.images.validation == 24  # a quarter of 4 × 24
    found = compare_runs(second, first)
    assert len(judged(first)) == 12
    assert found.comparison.images == len(dataset.index)  # cross-validated, so all that both have


def test_what_was_learned_from_judges_no_later_training(dataset, grown, learn):
    first, second = learn(dataset), learn(grown)
    learned = set(dataset.index["sha256"]) - judged(first)
    assert learned
    assert not learned & judged(second)


def test_a_near_duplicate_that_is_added_goes_where_its_picture_is(tmp_path, learn):
    for name, numbers in (("first", range(12)), ("second", range(12))):
        for label in ("a", "b"):
            folder = tmp_path / name / label
            folder.mkdir(parents=True)
            for number in numbers:
                picture = soft_photo(number + 100 * (label == "b"))
                small = picture.resize((300, 225)) if name == "second" else picture
                small.save(folder / f"{name}{number:02}.png")
    data = import_dataset(tmp_path / "first")
    first = learn(data)
    data = add_images(data, tmp_path / "second")
    second = learn(data)
    assert second.config.split.groups == 24
    names = {name.rpartition("first")[2] for name in first.predictions["name"]}
    assert {name[-6:] for name in second.predictions["name"]} == names
    assert len(judged(second)) == 2 * len(judged(first))


def test_a_search_leaves_the_validation_photos_alone(dataset, grown, learn, compute, monkeypatch):
    seen = []
    vectors = _searching.RecipeVectors

    def watching(data, rows, *rest, **options):
        seen.append(set(rows["sha256"]))
        return vectors(data, rows, *rest, **options)

    monkeypatch.setattr(_searching, "RecipeVectors", watching)
    run = learn(dataset)
    options = {"compute": compute, "backbones": ()}
    found = find_recipe(dataset, SHORT, **options)
    assert kept_divisions(dataset) == {(0, 0.25)}
    assert found.images + len(judged(run)) == len(dataset.index)
    find_recipe(grown, SHORT, **options)  # not all of whose photos are embedded yet
    later = learn(grown)
    assert len(seen) == 2
    assert seen[0] | judged(run) == set(dataset.index["sha256"])
    assert len(seen[1]) > len(seen[0])
    assert not seen[1] & judged(later)


def test_a_damaged_record_is_said_and_stops_no_training(dataset, grown, learn):
    learn(dataset)
    [path] = (dataset.folder / "divisions").iterdir()
    path.write_text("{")
    run = learn(grown)
    assert run.state == "complete"
    assert any("was damaged, so all photos were divided anew" in str(text) for text in run.facts.warnings)
    again = learn(grown)
    assert judged(again) == judged(run)
    assert not any("damaged" in str(text) for text in again.facts.warnings)


def test_groups_that_join_both_sides_are_learned_from_and_few_left_to_judge_are_said(dataset, learn):
    first = learn(dataset)
    rows = dataset.rows
    side = rows["sha256"].isin(judged(first))
    number = rows.groupby([rows["label"], side]).cumcount()
    pairs = (rows["label"] + number.astype("str")).where(
        number < 4, ""
    )  # one of each side, and the others alone
    grouped = replace(dataset, rows=rows.assign(group=pairs))
    run = learn(grouped)
    assert not judged(run) & judged(first)
    assert run.config.images.validation == 3  # the smallest group of each class
    [said] = [str(text) for text in run.facts.warnings if "left for validation" in str(text)]
    assert said.startswith("Only 3 of 48 photos are left for validation")
    anew = learn(grouped, replace(SHORT, seed=1))
    assert f"about {anew.config.images.validation} for validation" in said
    assert not any("left for validation" in str(text) for text in anew.facts.warnings)


# --- going on ----------------------------------------------------------------------------------


class Killed(BaseException):
    """What ends a process."""


@pytest.fixture
def killed_after(learn, monkeypatch):
    """Trains until so many epochs are finished, and is then killed."""

    def killed_after(data: Dataset, epochs: int, h: Hyperparameters) -> Run:
        ids = []
        add_epoch = RunWriter.add_epoch

        def counting(self, record):
            add_epoch(self, record)
            if record.epoch > epochs:
                ids.append(self.id)
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(RunWriter, "add_epoch", counting)
            with pytest.raises(Killed):
                learn(data, h)
        path = load_run(ids[0]).folder / "state.json"
        path.write_text('{"state": "running"}')
        return load_run(ids[0])

    return killed_after


def test_a_killed_training_goes_on_with_its_own_division(dataset, learn, killed_after):
    h = Hyperparameters(epochs=12, learning_rate=1e-2, batch_size=4, validation_fraction=0.25)
    killed = killed_after(dataset, 3, h)
    assert killed.state == "interrupted"
    assert (killed.folder / DIVISION).is_file()
    [path] = (dataset.folder / "divisions").iterdir()
    kept = path.read_text()
    # Meanwhile others learned from photos that judge this one.
    path.write_text(kept.replace('"validation"', '"train"', 6))
    resumed = resume(killed.id)
    assert not (resumed.folder / DIVISION).exists()
    path.write_text(kept)
    whole = learn(dataset, h)
    assert judged(resumed) == judged(whole)
    assert resumed.evaluation.to_dict() == whole.evaluation.to_dict()


def test_a_training_killed_before_it_was_divided_goes_on(dataset, learn, monkeypatch):
    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(_training, "prepare_data", killed)
        with pytest.raises(Killed):
            learn(dataset)
    [run] = list_runs()
    (run.folder / "state.json").write_text('{"state": "running"}')
    assert judged(resume(run.id)) == judged(learn(dataset))


@pytest.fixture
def boxed(tmp_path) -> Path:
    """A COCO set: 16 photos, blue on the left and red on the right, with a box around each half."""
    annotations = []
    for number in range(16):
        noise = np.random.default_rng(number).normal(0, 20, (48, 96, 3))
        noise[:, :48] += (40, 60, 200)
        noise[:, 48:] += (200, 60, 40)
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{number}.png")
        annotations += [
            {"image_id": number, "category_id": half, "bbox": [4 + 48 * half, 4, 40, 40]} for half in (0, 1)
        ]
    images = [{"id": n, "file_name": f"{n}.png", "width": 96, "height": 48} for n in range(16)]
    classes = [{"id": 0, "name": "blue"}, {"id": 1, "name": "red"}]
    content = {"images": images, "categories": classes, "annotations": annotations}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    return tmp_path


def test_what_boxes_cut_out_of_a_photo_is_learned_judged_and_explained_together(boxed, learn):
    dataset = import_dataset(boxed, reading=Reading(boxes=CROP))
    assert dataset.class_counts == {"blue": 16, "red": 16}
    assert dataset.index.groupby("group").size().tolist() == [2] * 16

    # Both crops of a photo are on one side.
    run = learn(dataset)
    groups = dataset.index.set_index("sha256")["group"]
    judging = groups[sorted(judged(run))]
    assert judging.value_counts().tolist() == [2] * (run.config.images.validation // 2)
    learning = groups.drop(judging.index)
    assert not set(judging) & set(learning)

    # The map of a crop adds up to its answer, and is laid over the crop alone.
    classifier = load_classifier(run.folder, device="cpu")
    rows = dataset.index.set_index("name")
    path = dataset.path(rows.loc["3 box 1.png", "file"])
    explanation = explain(classifier, path)
    scores = explanation.patches.sum(axis=(1, 2)) + explanation.unplaced + explanation.bias
    assert scores == pytest.approx(explanation.logits, abs=1e-4)
    (answer,) = classifier.predict([path])
    assert explanation.classes[int(scores.argmax())] == answer.label == "blue"
    crop = load_image(path)
    assert crop.size == (48, 48)
    assert heatmap(explanation, crop, "blue", size=96).size == (96, 96)

    # What is most alike is the crop itself, and then crops of its class.
    found = run_vectors(run)
    names = found.rows["name"].tolist()
    _, positions = NeighbourIndex(found.vectors).nearest(explanation.embedding, 5)
    assert names[positions[0]] == "3 box 1.png"
    assert set(found.rows["label"].iloc[positions]) == {"blue"}
