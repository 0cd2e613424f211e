"""What is wrong with a pile of photos, found at every look."""

import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests._pictures import soft_photo
from tests.audit.conftest import names, plain_pile, smaller
from tests.dataset.conftest import by_kind, index_of
from vitcore.audit import _measures, find_issues, load_measures
from vitcore.audit._quality import THRESHOLDS
from vitcore.dataset import exclude, restore


def test_a_sound_pile_has_no_findings(pile, look):
    dataset = pile(plain_pile())
    assert find_issues(dataset) == ()
    assert find_issues(dataset, look(dataset)) == ()


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


@pytest.mark.thorough
def test_what_most_images_are_like_is_no_fault(pile, look):
    images = {
        f"{label}/{n}.png": Image.new("RGB", (64, 48), (0, 0, 3 * n)) for label in "ab" for n in range(9)
    }
    images |= {f"b/{n}.png": Image.new("RGB", (64, 48), (0, 3 * n, 0)) for n in range(1, 9)}
    dataset = pile(images)
    assert not {"dark", "empty", "blurry"} & set(by_kind(find_issues(dataset, look(dataset))))


@pytest.mark.thorough
def test_near_duplicates_are_found_the_largest_first(pile, look):
    images = plain_pile()
    images |= {"a/again.jpg": images["a/1.png"], "a/small.png": smaller(images["a/1.png"])}
    dataset = pile(images)
    assert find_issues(dataset) == ()
    (finding,) = find_issues(dataset, look(dataset))
    assert (finding.kind, finding.remedies) == ("near_duplicates", ("keep_one", "exclude"))
    assert names(dataset, finding) == [["a/1.png", "a/again.jpg", "a/small.png"]]


def test_near_duplicates_under_two_labels_and_in_two_parts_are_found(pile, look):
    images = {f"train/{name}": soft_photo(n) for n, name in enumerate(plain_pile(5))}
    images |= {f"test/{name}": soft_photo(20 + n) for n, name in enumerate(plain_pile(2))}
    images["train/b/label.png"] = smaller(images["train/a/0.png"])
    images["train/a/leak.jpg"] = images["test/a/1.png"]
    images["train/a/twin.png"] = smaller(images["train/a/3.png"])
    dataset = pile(images)
    kinds = by_kind(find_issues(dataset, look(dataset)))
    assert list(kinds) == ["contradiction", "leak", "near_duplicates"]
    assert names(dataset, kinds["contradiction"]) == [["train/a/0.png", "train/b/label.png"]]
    assert names(dataset, kinds["leak"]) == [["test/a/1.png", "train/a/leak.jpg"]]
    assert names(dataset, kinds["near_duplicates"]) == [["train/a/3.png", "train/a/twin.png"]]


@pytest.mark.thorough
def test_the_findings_are_always_about_the_present_version(flawed, look):
    measures = look(flawed)
    dark = by_kind(find_issues(flawed, measures))["dark"].groups[0]
    without = exclude(flawed, dark)
    assert measures.missing(without) == 0
    assert "dark" not in by_kind(find_issues(without, load_measures(without)))
    assert "dark" in by_kind(find_issues(restore(without, dark), load_measures(without)))


def test_twenty_thousand_images_are_judged_while_a_page_is_drawn():
    random = np.random.default_rng(0)
    count = 20_000
    index = index_of(
        [f"class {n % 30}" for n in range(count)],
        random.choice(["JPEG", "PNG"], count).tolist(),
        [tuple(pair) for pair in random.integers(300, 4000, (count, 2)).tolist()],
    )
    index.loc[random.integers(0, count, 400), "sha256"] = "content 1"
    contents = index["sha256"].unique()
    pairs = pd.DataFrame(random.choice(contents, (3000, 2)), columns=["first", "second"])
    measures = replace(
        _measures._nothing_measured(),
        compared=frozenset(contents),
        pairs=pairs.assign(similarity=0.9, likeness=random.uniform(0.95, 1, 3000)),
        quality=pd.DataFrame(
            random.uniform(0.2, 1, (len(contents), 4)), columns=list(THRESHOLDS), index=contents
        ),
    )
    dataset = SimpleNamespace(index=index)
    find_issues(dataset, measures)
    started = time.process_time()
    assert len(find_issues(dataset, measures)) >= 4
    assert time.process_time() - started < 1.0
