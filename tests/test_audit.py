"""What is wrong with a pile of photos: measured once, found at every look."""

import os
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

import vitcore.audit
from vitcore.audit import (
    Finding,
    duplicate_groups,
    find_duplicates,
    find_issues,
    load_measures,
    measure,
)
from vitcore.backbone import Device, Embedder, resolve_backbone
from vitcore.compute import Compute
from vitcore.dataset import Dataset, Picture, add_images, exclude, import_dataset, relabel, restore
from vitcore.errors import ImageError, Stopped
from vitcore.features import EngineChoice, _choosing
from vitcore.progress import Task

pytestmark = pytest.mark.thorough

Kinds = dict[str, Finding]


def photo(number: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Soft blobs in many colours; another number gives another picture."""
    random = np.random.default_rng(number)
    blobs = random.integers(0, 256, (size[1] // 16, size[0] // 16, 3), dtype=np.uint8)
    return Image.fromarray(blobs).resize(size, Image.Resampling.BICUBIC)


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


@pytest.fixture
def pile(tmp_path) -> Callable[[dict[str, Image.Image]], Dataset]:
    """Imports images by their names; those that say so are JPEGs, the others PNGs."""

    def make(images: dict[str, Image.Image], name: str = "pile") -> Dataset:
        for path, image in images.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            image.save(tmp_path / name / path)
        return import_dataset(tmp_path / name)

    return make


@pytest.fixture
def look(tiny_backbone):
    """Measures with the tiny backbone."""

    def look(dataset: Dataset, precision: str = "auto", **options):
        return measure(dataset, compute=Compute(tiny_backbone, "cpu", precision), **options)

    return look


@pytest.fixture
def work_done(monkeypatch) -> dict[str, int]:
    """How many images went through the backbone, and how many were looked at for their quality."""
    done = {"embedded": 0, "scored": 0}
    start, scores = Embedder.start, vitcore.audit._scores

    def counting_start(self: Embedder, pixels: np.ndarray) -> Callable[[], np.ndarray]:
        done["embedded"] += len(pixels)
        return start(self, pixels)

    def counting_scores(paths: list[str]) -> pd.DataFrame:
        done["scored"] += len(paths)
        return scores(paths)

    monkeypatch.setattr(Embedder, "start", counting_start)
    monkeypatch.setattr(vitcore.audit, "_scores", counting_scores)
    return done


def by_kind(findings: tuple[Finding, ...]) -> Kinds:
    kinds = {finding.kind: finding for finding in findings}
    assert len(kinds) == len(findings)
    return kinds


def names(dataset: Dataset, finding: Finding) -> list[list[str]]:
    of = dict(zip(dataset.index["image_id"], dataset.index["name"], strict=True))
    return [[of[image_id] for image_id in group] for group in finding.groups]


def plain_pile(count: int = 6) -> dict[str, Image.Image]:
    return {
        f"{label}/{n}.png": photo(100 * place + n) for place, label in enumerate("ab") for n in range(count)
    }


# --- what the index shows ----------------------------------------------------------------------


def test_a_sound_pile_has_no_findings(pile, look):
    dataset = pile(plain_pile())
    assert find_issues(dataset) == ()
    assert find_issues(dataset, look(dataset)) == ()


def test_exact_copies_are_found_without_measures(pile):
    images = plain_pile()
    dataset = pile(images | {"a/copy.png": images["a/1.png"], "a/copy 2.png": images["a/1.png"]})
    (finding,) = find_issues(dataset)
    assert (finding.kind, finding.remedies) == ("copies", ("keep_one",))
    assert names(dataset, finding) == [["a/1.png", "a/copy 2.png", "a/copy.png"]]
    assert "2 images are exact copies of others" in finding.sentence


def test_a_copy_under_two_labels_is_a_contradiction_and_told_once(pile):
    images = plain_pile()
    dataset = pile(images | {"b/copy.png": images["a/1.png"]})
    (finding,) = find_issues(dataset)
    assert (finding.kind, finding.remedies) == ("contradiction", ("relabel", "exclude"))
    assert names(dataset, finding) == [["a/1.png", "b/copy.png"]]
    assert finding.sentence.startswith("One picture (2 images) is in more than one class")
    mended = relabel(dataset, finding.groups[0], "a")
    (left,) = find_issues(mended)
    assert (left.kind, left.groups) == ("copies", finding.groups)
    assert find_issues(exclude(mended, left.groups[0][1:])) == ()


def test_a_copy_in_two_parts_is_a_leak_and_what_judges_is_kept(pile):
    images = {f"{part}/{name}": image for part in ("train", "val") for name, image in plain_pile(3).items()}
    images |= {f"train/a/{n}.png": photo(50 + n) for n in range(3)}
    images |= {f"train/b/{n}.png": photo(60 + n) for n in range(3)}
    images["train/a/copy.png"] = images["val/a/2.png"]
    dataset = pile(images)
    (finding,) = find_issues(dataset)
    assert (finding.kind, finding.remedies) == ("leak", ("keep_one", "exclude"))
    assert names(dataset, finding) == [["val/a/2.png", "train/a/copy.png"]]


def test_what_was_added_to_a_ready_made_split_counts_as_training():
    dataset = table(["a", "b"] * 10, ["JPEG"] * 20)
    dataset.index["split"] = ["train", "train", "test", "test"] * 4 + [""] * 4
    dataset.index.loc[16, "sha256"] = "content 0"  # of the training part
    assert set(by_kind(find_issues(dataset))) == {"copies"}
    dataset.index.loc[17, "sha256"] = "content 3"  # of the test part
    kinds = by_kind(find_issues(dataset))
    assert set(kinds) == {"copies", "leak"}
    assert kinds["leak"].groups == ((3, 17),)


def test_odd_sizes_and_shapes_are_found(pile):
    images = plain_pile(10)
    dataset = pile(images | {"a/huge.jpg": photo(7, (3200, 2400)), "b/strip.jpg": photo(8, (640, 128))})
    kinds = by_kind(find_issues(dataset))
    assert set(kinds) == {"odd_size", "odd_shape"}
    assert names(dataset, kinds["odd_size"]) == [["a/huge.jpg"]]
    assert "most often 320 × 240 pixels" in kinds["odd_size"].sentence
    assert names(dataset, kinds["odd_shape"]) == [["b/strip.jpg"]]
    assert kinds["odd_size"].remedies == kinds["odd_shape"].remedies == ("exclude",)


def test_a_few_pixels_more_are_not_odd(pile):
    assert find_issues(pile(plain_pile(10) | {"a/more.png": photo(7, (352, 256))})) == ()


# --- what gives the class away -----------------------------------------------------------------


def table(labels: list[str], formats: list[str], sizes: list[tuple[int, int]] | None = None) -> Dataset:
    """Just enough of a dataset to be judged by its index."""
    count = len(labels)
    sizes = [(320, 240)] * count if sizes is None else sizes
    index = pd.DataFrame(
        {
            "image_id": range(count),
            "label": labels,
            "split": "",
            "sha256": [f"content {n}" for n in range(count)],
            "format": formats,
            "width": [width for width, _ in sizes],
            "height": [height for _, height in sizes],
        }
    ).astype({"label": "str", "split": "str", "sha256": "str", "format": "str"})
    empty: Dataset = object.__new__(Dataset)
    object.__setattr__(empty, "index", index)
    return empty


@pytest.mark.parametrize("classes", [2, 3, 10, 50])
def test_a_class_of_its_own_format_is_found(classes):
    labels = [f"class {n % classes:02}" for n in range(20 * classes)]
    formats = ["PNG" if label == "class 01" else "JPEG" for label in labels]
    finding = by_kind(find_issues(table(labels, formats)))["format_tells"]
    assert "right for 100%, where blind guessing is for 50%" in finding.sentence
    assert "'class 01' PNG" in finding.sentence
    assert finding.remedies == ()
    assert len(finding.groups) == classes
    assert {len(group) for group in finding.groups} == {2}
    assert {labels[image_id] for image_id in finding.groups[1]} == {"class 01"}


def test_formats_that_say_nothing_are_not_found():
    random = np.random.default_rng(0)
    labels = [f"class {n % 4}" for n in range(400)]
    assert find_issues(table(labels, random.choice(["JPEG", "PNG", "WEBP"], 400).tolist())) == ()
    # Too few to be more than luck.
    assert find_issues(table(["a", "a", "b", "b"], ["PNG", "PNG", "JPEG", "JPEG"])) == ()


def test_a_class_of_its_own_size_is_found():
    labels = ["hat", "shoe"] * 30
    sizes = [(400, 300) if label == "hat" else (500 + n % 5, 300 + n) for n, label in enumerate(labels)]
    finding = by_kind(find_issues(table(labels, ["JPEG"] * 60, sizes)))["size_tells"]
    assert "'hat' 400 × 300" in finding.sentence


def test_a_class_of_its_own_shape_is_found_though_no_size_comes_twice():
    random = np.random.default_rng(1)
    labels = ["hat", "shoe"] * 30
    heights = random.permutation(range(200, 320))[:60].tolist()
    sizes = [(2 * h if label == "hat" else h, h) for label, h in zip(labels, heights, strict=True)]
    assert (
        "The shape alone" in by_kind(find_issues(table(labels, ["JPEG"] * 60, sizes)))["size_tells"].sentence
    )


def test_sizes_that_no_two_images_share_say_nothing():
    random = np.random.default_rng(0)
    sizes = [tuple(pair) for pair in random.integers(900, 1100, (400, 2)).tolist()]
    assert find_issues(table([f"class {n % 4}" for n in range(400)], ["JPEG"] * 400, sizes)) == ()


# --- what the measures show --------------------------------------------------------------------


@pytest.fixture
def flawed(pile) -> Dataset:
    random = np.random.default_rng(3)
    grey = Image.fromarray(random.integers(0, 14, (240, 320, 3), dtype=np.uint8))
    return pile(
        plain_pile(8)
        | {
            "a/black.png": grey,
            "a/blurred.png": photo(70).filter(ImageFilter.GaussianBlur(12)),
            "b/white.png": Image.fromarray(255 - np.asarray(grey) // 3),
            "b/one colour.png": Image.new("RGB", (320, 240), (90, 140, 60)),
        }
    )


def test_blurred_dark_bright_and_empty_images_are_found(flawed, look):
    kinds = by_kind(find_issues(flawed, look(flawed)))
    assert ["a/blurred.png"] in names(flawed, kinds["blurry"])
    assert names(flawed, kinds["dark"]) == [["a/black.png"]]
    assert names(flawed, kinds["bright"]) == [["b/white.png"]]
    assert ["b/one colour.png"] in names(flawed, kinds["empty"])
    sound = {f"{label}/{n}.png" for label in "ab" for n in range(8)}
    for kind in ("blurry", "dark", "bright", "empty"):
        assert kinds[kind].remedies == ("exclude",)
        assert not sound.intersection(*zip(*names(flawed, kinds[kind]), strict=True))


def test_what_most_images_are_like_is_no_fault(pile, look):
    images = {
        f"{label}/{n}.png": Image.new("RGB", (64, 48), (0, 0, 3 * n)) for label in "ab" for n in range(9)
    }
    images |= {f"b/{n}.png": Image.new("RGB", (64, 48), (0, 3 * n, 0)) for n in range(1, 9)}
    dataset = pile(images)
    assert not {"dark", "empty", "blurry"} & set(by_kind(find_issues(dataset, look(dataset))))


def test_near_duplicates_are_found_the_largest_first(pile, look):
    images = plain_pile()
    images |= {"a/again.jpg": images["a/1.png"], "a/small.png": smaller(images["a/1.png"])}
    dataset = pile(images)
    assert find_issues(dataset) == ()
    (finding,) = find_issues(dataset, look(dataset))
    assert (finding.kind, finding.remedies) == ("near_duplicates", ("keep_one", "exclude"))
    assert names(dataset, finding) == [["a/1.png", "a/again.jpg", "a/small.png"]]


def test_near_duplicates_under_two_labels_and_in_two_parts_are_found(pile, look):
    images = {f"train/{name}": photo(n) for n, name in enumerate(plain_pile(5))}
    images |= {f"test/{name}": photo(20 + n) for n, name in enumerate(plain_pile(2))}
    images["train/b/label.png"] = smaller(images["train/a/0.png"])
    images["train/a/leak.jpg"] = images["test/a/1.png"]
    images["train/a/twin.png"] = smaller(images["train/a/3.png"])
    dataset = pile(images)
    kinds = by_kind(find_issues(dataset, look(dataset)))
    assert list(kinds) == ["contradiction", "leak", "near_duplicates"]
    assert names(dataset, kinds["contradiction"]) == [["train/a/0.png", "train/b/label.png"]]
    assert names(dataset, kinds["leak"]) == [["test/a/1.png", "train/a/leak.jpg"]]
    assert names(dataset, kinds["near_duplicates"]) == [["train/a/3.png", "train/a/twin.png"]]


def test_the_findings_are_always_about_the_present_version(flawed, look):
    measures = look(flawed)
    dark = by_kind(find_issues(flawed, measures))["dark"].groups[0]
    without = exclude(flawed, dark)
    assert measures.missing(without) == 0
    assert "dark" not in by_kind(find_issues(without, load_measures(without)))
    assert "dark" in by_kind(find_issues(restore(without, dark), load_measures(without)))


# --- once is enough ----------------------------------------------------------------------------


def test_measures_are_kept(flawed, look, work_done):
    assert load_measures(flawed) is None
    first = look(flawed)
    assert first.missing(flawed) == 0
    assert work_done == {"embedded": 20, "scored": 20}
    again, loaded = look(flawed), load_measures(flawed)
    assert work_done == {"embedded": 20, "scored": 20}
    for other in (again, loaded):
        assert (other.fingerprint, other.compared) == (first.fingerprint, first.compared)
        pd.testing.assert_frame_equal(other.pairs, first.pairs)
        assert np.allclose(other.quality.loc[first.quality.index], first.quality, atol=1e-4)
    assert find_issues(flawed, loaded) == find_issues(flawed, first)


def test_only_images_that_were_added_are_measured(pile, look, work_done, tmp_path):
    dataset = pile(plain_pile())
    look(dataset)
    (tmp_path / "more" / "b").mkdir(parents=True)
    smaller(photo(3)).save(tmp_path / "more" / "b" / "small.png")
    photo(77).save(tmp_path / "more" / "b" / "new.png")
    dataset = add_images(dataset, tmp_path / "more")
    assert load_measures(dataset).missing(dataset) == 2
    measures = look(dataset)
    assert work_done == {"embedded": 14, "scored": 14}
    assert measures.missing(dataset) == 0
    (finding,) = find_issues(dataset, measures)
    assert finding.kind == "contradiction"


def test_taking_images_out_and_bringing_them_back_costs_nothing(pile, look, work_done):
    images = plain_pile()
    dataset = pile(images | {"a/small.png": smaller(images["a/1.png"])})
    look(dataset)
    findings = find_issues(dataset, load_measures(dataset))
    without = exclude(dataset, [findings[0].groups[0][1]])
    before = dict(work_done)
    assert find_issues(without, look(without)) == ()
    back = restore(without, [findings[0].groups[0][1]])
    assert find_issues(back, look(back)) == findings
    assert work_done == before


def test_pairs_outlive_the_exclusion_of_one_of_them_when_more_images_come(pile, look, tmp_path):
    images = plain_pile()
    dataset = pile(images | {"a/small.png": smaller(images["a/1.png"])})
    look(dataset)
    (group,) = find_issues(dataset, load_measures(dataset))[0].groups
    dataset = exclude(dataset, group[1:])
    (tmp_path / "more" / "b").mkdir(parents=True)
    photo(77).save(tmp_path / "more" / "b" / "new.png")
    dataset = add_images(dataset, tmp_path / "more")
    look(dataset)
    dataset = restore(dataset, group[1:])
    assert find_issues(dataset, load_measures(dataset))[0].groups == (group,)


def test_another_backbone_compares_anew(flawed, look, work_done):
    first = look(flawed)
    second = look(flawed, precision="bf16")
    assert second.fingerprint != first.fingerprint
    assert work_done == {"embedded": 40, "scored": 20}


def test_damaged_measures_are_made_anew(pile, look):
    dataset = pile(plain_pile(2))
    for content in ("", "{", "{}", '{"revision": 0}', '{"revision": 1, "quality": 3}', "[]"):
        (dataset.folder / "measures.json").write_text(content)
        assert load_measures(dataset) is None
    assert look(dataset).missing(dataset) == 0
    assert load_measures(dataset).missing(dataset) == 0


def test_near_duplicates_are_found_again_without_comparing(pile, monkeypatch):
    images = plain_pile()
    dataset = pile(images | {"a/small.png": smaller(images["a/1.png"])})
    vectors = np.random.default_rng(0).normal(size=(13, 8)).astype(np.float16)
    vectors[dataset.index["name"] == "a/small.png"] = vectors[dataset.index["name"] == "a/1.png"]
    found = find_duplicates(dataset, dataset.index, vectors, fingerprint="some")
    assert len(found) == 1
    monkeypatch.setattr(vitcore.audit, "similar_pairs", None)
    shuffled = dataset.index.sample(frac=1, random_state=0)
    again = find_duplicates(dataset, shuffled, vectors[shuffled.index], fingerprint="some")
    pd.testing.assert_frame_equal(again, found)
    groups = duplicate_groups(dataset.index, found)
    assert len(set(groups)) == 12
    with pytest.raises(TypeError):  # for others they are not known
        find_duplicates(dataset, dataset.index, vectors, fingerprint="other")


def test_few_pictures_are_in_memory_however_many_are_compared(pile, monkeypatch):
    dataset = pile(plain_pile(12))
    alive: weakref.WeakSet[Picture] = weakref.WeakSet()
    most = 0

    class Watched(Picture):
        def __init__(self, image: Image.Image) -> None:
            nonlocal most
            super().__init__(image)
            alive.add(self)
            most = max(most, len(alive))

    monkeypatch.setattr(vitcore.audit, "Picture", Watched)
    monkeypatch.setattr(vitcore.audit, "_CHUNK", 2)
    monkeypatch.setattr(vitcore.audit, "_AT_HAND", 3)
    monkeypatch.setattr(vitcore.audit, "SAME_PICTURE", 0.0)
    vectors = np.random.default_rng(0).normal(size=(len(dataset.index), 4)).astype(np.float16)
    assert len(find_duplicates(dataset, dataset.index, vectors, fingerprint="some")) > 8
    assert most <= 3 + 2 * 2 * 2  # those at hand, and those of two chunks


# --- progress, stopping, silence ---------------------------------------------------------------


def test_the_phases_are_told_in_order(flawed, look):
    seen = []
    look(flawed, task=Task(seen.append))
    assert list(dict.fromkeys(progress.phase for progress in seen)) == ["prepare", "embed", "check"]
    last = seen[-1]
    assert (last.done, last.total, last.unit) == (20, 20, "images")


@pytest.mark.parametrize("phase", ["embed", "check"])
def test_a_stopped_check_keeps_what_it_found(flawed, look, phase, work_done, monkeypatch):
    monkeypatch.setattr(vitcore.audit, "_CHUNK", 5)
    stop = Event()

    def on_progress(progress) -> None:
        if progress.phase == phase and progress.done >= 5:
            stop.set()

    with pytest.raises(Stopped):
        look(flawed, task=Task(on_progress, stop))
    before = dict(work_done)
    if phase == "check":
        assert 0 < load_measures(flawed).missing(flawed) < 20
    look(flawed)
    assert work_done["embedded"] == 20
    assert work_done["scored"] == 20
    assert before != work_done


def test_a_check_uses_the_embeddings_of_the_engine_that_suits_the_images(flawed, look, tiny_backbone):
    reduced = Device("cpu", "CPU", "bf16")

    def choose(_backbone, images, labels, compute, **_options) -> EngineChoice:
        assert (len(images), len(labels), compute.engine) == (20, 20, "auto")
        return EngineChoice(device=reduced, reason="It was the fastest.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_choosing, "choose_engine", choose)
        found = look(flawed)
    assert found.fingerprint == Embedder(resolve_backbone(tiny_backbone), reduced).fingerprint


def test_an_image_that_is_gone_is_said_so(flawed, look):
    flawed.path(flawed.index["file"].iloc[3]).unlink()
    with pytest.raises(ImageError, match="import the dataset again"):
        look(flawed)


def test_measuring_prints_nothing_and_starts_no_process(flawed, look, capfd, monkeypatch):
    def no_fork() -> int:
        raise AssertionError("a process was started")

    monkeypatch.setattr(os, "fork", no_fork)
    look(flawed)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_what_is_slow_to_import_is_imported_when_it_is_needed():
    script = (
        "import sys, vitcore.audit, vitcore.cli, vitcore.pipeline\n"
        "print(*sorted({'cleanvision', 'matplotlib', 'sklearn'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("\n", "")


def test_twenty_thousand_images_are_judged_while_a_page_is_drawn():
    random = np.random.default_rng(0)
    count = 20_000
    dataset = table(
        [f"class {n % 30}" for n in range(count)],
        random.choice(["JPEG", "PNG"], count).tolist(),
        [tuple(pair) for pair in random.integers(300, 4000, (count, 2)).tolist()],
    )
    dataset.index.loc[random.integers(0, count, 400), "sha256"] = "content 1"
    contents = dataset.index["sha256"].unique()
    pairs = pd.DataFrame(random.choice(contents, (3000, 2)), columns=["first", "second"])
    measures = replace(
        vitcore.audit._nothing_measured(),
        compared=frozenset(contents),
        pairs=pairs.assign(similarity=0.9, likeness=random.uniform(0.95, 1, 3000)),
        quality=pd.DataFrame(
            random.uniform(0.2, 1, (len(contents), 4)), columns=list(vitcore.audit._QUALITY), index=contents
        ),
    )
    find_issues(dataset, measures)
    started = time.process_time()
    assert len(find_issues(dataset, measures)) >= 4
    assert time.process_time() - started < 1.0
