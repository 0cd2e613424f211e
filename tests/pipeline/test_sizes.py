"""Smaller input sizes: what they save and cost, measured on the images of a dataset."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.errors import DatasetError, NotFoundError, SettingsError, Stopped, StorageError
from vitcore.pipeline import SizeComparison, SizeResult, _sizes, compare_sizes, load_sizes, train
from vitcore.progress import Task
from vitcore.training import Hyperparameters

BASE = Hyperparameters(epochs=3, learning_rate=1e-2)


@pytest.fixture
def dataset(picture_folder):
    return import_dataset(picture_folder())


@pytest.fixture
def measure(dataset, tiny_backbone):
    def work(base: Hyperparameters = BASE, **options) -> SizeComparison:
        chosen = {"compute": Compute(tiny_backbone, device="cpu", engine="torch"), "images": 20, **options}
        return compare_sizes(dataset, base, **chosen)

    return work


@pytest.fixture
def seen(monkeypatch):
    """What was embedded and what the heads learned from."""
    files, learned = [], []
    embed, judge = _sizes.embed_images, _sizes.out_of_fold_logits

    def embedding(embedder, images, **options):
        done = embed(embedder, images, **options)
        files.append((embedder.input_size, [image.sha256 for image in images], done.computed))
        return done

    def judging(vectors, labels, groups, **options):
        learned.append((vectors, labels, groups, options))
        return judge(vectors, labels, groups, **options)

    monkeypatch.setattr(_sizes, "embed_images", embedding)
    monkeypatch.setattr(_sizes, "out_of_fold_logits", judging)
    return files, learned


def test_the_sizes_are_compared_on_the_same_images_and_folds(measure, dataset, seen):
    found = measure()
    files, learned = seen
    full, smaller = found.sizes
    assert [full.size, smaller.size] == [160, 128]  # of 16 pixels a patch: 10 across, and 8 at least
    assert [full.patches, smaller.patches] == [100, 64]
    assert (found.usual, found.version, found.base) == (160, dataset.version, BASE)
    assert (full.difference, full.low, full.high, full.speed) == (0, 0, 0, 1)
    assert smaller.difference == pytest.approx(smaller.accuracy - full.accuracy)
    assert smaller.low <= smaller.difference <= smaller.high
    assert smaller.speed == pytest.approx(smaller.images_per_second / full.images_per_second)
    for result in found.sizes:
        assert 0 <= result.accuracy <= 1
        assert result.seconds == pytest.approx(found.passes / result.images_per_second)
    assert found.passes == 36
    (first, second) = learned
    assert not np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert np.array_equal(first[2], second[2])
    assert first[3]["folds"] == second[3]["folds"] == 5
    assert first[3]["epochs"] == BASE.epochs
    assert sum(computed for _, _, computed in files) == 2 * found.images  # each image once at each size


@pytest.mark.thorough
def test_the_images_are_drawn_class_by_class_from_the_training_part(measure, dataset, seen, tiny_backbone):
    run = train(dataset, BASE, compute=Compute(tiny_backbone, device="cpu", engine="torch"))
    measure(images=24)
    files, learned = seen
    assert np.bincount(learned[0][1]).tolist() == [8, 8, 8]
    judged = dataset.index["image_id"].isin(run.predictions["image_id"])
    assert not {*dataset.index.loc[judged, "sha256"]} & {name for _, names, _ in files for name in names}


@pytest.mark.thorough
def test_what_is_stored_is_not_computed_again_and_its_speed_is_measured_all_the_same(measure, seen):
    measure()
    seen[0].clear()
    again = measure()
    assert {computed for _, _, computed in seen[0]} == {0}
    assert all(result.images_per_second > 0 for result in again.sizes)


@pytest.mark.thorough
def test_a_training_at_a_smaller_size_finds_its_vectors(measure, dataset, tiny_backbone):
    measure(images=36)
    computed = []
    run = train(
        dataset,
        replace(BASE, input_size=128),
        compute=Compute(tiny_backbone, device="cpu", engine="torch"),
        task=Task(lambda progress: computed.append(progress) if progress.phase == "embed" else None),
    )
    assert run.config.backbone.preprocessing.input_size == 128
    assert computed[0].done == run.config.images.train


def test_a_larger_sample_holds_a_smaller_one():
    labels = np.repeat([0, 1, 2], [50, 30, 3])
    few, many = (_sizes._draw(labels, images, 5) for images in (20, 40))
    assert {*few} < {*many}
    assert np.bincount(labels[few]).tolist() == [12, 7, 2]
    assert len(_sizes._draw(labels, 500, 5)) == 83
    assert not np.array_equal(few, _sizes._draw(labels, 20, 6))


@pytest.mark.parametrize(
    ("usual", "patch", "sizes"),
    [
        (224, 14, [224, 154, 112]),
        (224, 16, [224, 160, 128]),
        (518, 14, [518, 364, 252]),
        (160, 16, [160, 128]),
    ],
)
def test_the_usual_sizes_have_about_half_and_a_quarter_of_the_patches(usual, patch, sizes):
    assert _sizes._usual_sizes(usual, patch) == sizes


@pytest.mark.thorough
@pytest.mark.parametrize("all_embedded", [False, True])
def test_near_duplicates_are_in_one_fold(picture_folder, tiny_backbone, seen, all_embedded):
    folder = picture_folder()
    for number in range(6):  # darker, in another file format
        with Image.open(folder / "red" / f"{number:03}.png") as image:
            image.point(lambda value: round(0.95 * value)).save(folder / "red" / f"copy{number}.bmp")
    dataset = import_dataset(folder)
    options = {"compute": Compute(tiny_backbone, device="cpu", engine="torch")}
    if all_embedded:  # what is alike is then known of all images, and not only of those compared
        train(dataset, BASE, **options)
    compare_sizes(dataset, BASE, images=100, **options)
    groups = seen[1][0][2]
    assert len(groups) - len(set(groups.tolist())) in range(2, 7)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"images": 19}, SettingsError, "20 or more"),
        ({"sizes": [160, 100]}, SettingsError, "multiples of 16"),
        ({"sizes": [160, 48]}, SettingsError, "from 56"),
        ({"sizes": [160, 160]}, SettingsError, "two or more"),
        ({"base": replace(BASE, validation_fraction=0.6)}, DatasetError, "20 are needed"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(measure, options, error, words):
    with pytest.raises(error, match=words):
        measure(**options)


def test_one_class_is_refused(picture_folder, tiny_backbone):
    with pytest.raises(DatasetError):
        compare_sizes(import_dataset(picture_folder(("red",))), BASE, compute=Compute(tiny_backbone))


@pytest.mark.thorough
def test_two_classes_views_and_other_sizes(picture_folder, tiny_backbone):
    two = import_dataset(picture_folder(("blue", "red"), count=16))
    base = replace(BASE, views=2)
    found = compare_sizes(
        two,
        base,
        compute=Compute(tiny_backbone, device="cpu", engine="torch"),
        images=20,
        sizes=[96, 64, 112],
    )
    assert [result.size for result in found.sizes] == [112, 96, 64]
    assert found.usual == 160
    assert found.passes == 32 + 32  # each image, and another view of it


@pytest.mark.thorough
def test_stopped_it_keeps_what_was_embedded_and_nothing_else(measure, dataset, tiny_backbone, seen):
    stop = threading.Event()

    def after_some(progress) -> None:
        if progress.phase == "fit":
            stop.set()

    with pytest.raises(Stopped):
        measure(task=Task(after_some, stop))
    with pytest.raises(NotFoundError):
        load_sizes(dataset, BASE, backbone=tiny_backbone)
    seen[0].clear()
    measure()
    assert {computed for _, _, computed in seen[0]} == {0}


# --- on the disk and in words ------------------------------------------------------------------


def test_it_is_found_again_by_its_settings_and_its_backbone(measure, dataset, tiny_backbone):
    first = measure()
    other = replace(BASE, epochs=2)
    second = measure(other)
    assert load_sizes(dataset, BASE, backbone=tiny_backbone) == first
    assert load_sizes(dataset, replace(BASE, input_size=128, finish=False), backbone=tiny_backbone) == first
    assert load_sizes(dataset, other, backbone=tiny_backbone) == second
    unknown = load_sizes(dataset, replace(BASE, epochs=4), backbone=tiny_backbone)
    assert unknown == second
    assert not unknown.suits(replace(BASE, epochs=4))
    assert first.suits(replace(BASE, input_size=112, repeats=2))
    with pytest.raises(NotFoundError, match="compared"):
        load_sizes(dataset, BASE, backbone="embedded")


@pytest.mark.thorough
@pytest.mark.parametrize("text", ["[]", "{}", '{"sizes": 3}', "no"])
def test_a_damaged_file_is_a_storage_error(measure, dataset, tiny_backbone, text):
    measure()
    [path] = (dataset.folder / "sizes").iterdir()
    path.write_text(text)
    with pytest.raises(StorageError):
        load_sizes(dataset, BASE, backbone=tiny_backbone)


def judged(difference: float, low: float, high: float) -> str:
    def at(size: int, **figures: float) -> SizeResult:
        rate = {"images_per_second": 1.0, "seconds": 600.0, "patches": 64, "accuracy": 0.5}
        return SizeResult(size=size, **{**rate, "difference": 0, "low": 0, "high": 0, "speed": 1, **figures})

    smaller = at(112, difference=difference, low=low, high=high, speed=2.08)
    found = SizeComparison(
        version=1,
        base=BASE,
        requested={},
        backbone="a backbone",
        usual=224,
        images=160,
        passes=600,
        sizes=(at(224), smaller),
        seconds=1.0,
    )
    return found.verdict(smaller)


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        (
            (-0.004, -0.021, 0.012),
            "accuracy 0.4 points lower (95 % interval: 2.1 points lower to 1.2 points higher).",
        ),
        (
            (-0.004, -0.081, 0.062),
            (
                "accuracy 0.4 points lower, but 160 images are too few to tell "
                "(95 % interval: 8.1 points lower to 6.2 points higher)."
            ),
        ),
        (
            (-0.2, -0.3, -0.1),  # wide, and plain all the same
            "accuracy 20.0 points lower (95 % interval: 30.0 points lower to 10.0 points lower).",
        ),
        (
            (0.0, -0.02, 0.02),
            "accuracy the same (95 % interval: 2.0 points lower to 2.0 points higher).",
        ),
    ],
)
def test_the_verdict_says_what_is_gained_and_lost_and_whether_that_is_known(figures, sentence):
    assert str(judged(*figures)) == f"2.1 times as fast; {sentence}"
