"""Copies that are turned, mirrored or have a bar above or below are found, and nothing else is."""

from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from tests._pictures import photo, soft_photo
from tests.audit.conftest import plain_pile
from vitcore.audit import _rearranged
from vitcore.audit._near_duplicates import find_near_duplicates
from vitcore.audit._rearranged import find_rearranged
from vitcore.dataset import Dataset, load_image, sample_images
from vitcore.errors import Stopped
from vitcore.progress import Task

NONE = np.empty((0, 2), dtype=np.int64)
SHAPES = ((320, 240), (240, 320), (240, 240), (200, 340))


def captioned(image: Image.Image, part: float, *, above: bool, paper: str = "white") -> Image.Image:
    """The image with a bar that is so much of its height, and some words on it."""
    height = round(part * image.height)
    whole = Image.new("RGB", (image.width, image.height + height), paper)
    whole.paste(image, (0, height if above else 0))
    place = (8, (0 if above else image.height) + height / 4)
    ImageDraw.Draw(whole).text(place, "In the garden, 1974", "black" if paper == "white" else "white")
    return whole


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "left": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "right": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "upside down": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "mirrored": ImageOps.mirror,
    "flipped": ImageOps.flip,
    "left, mirrored": lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    "right, mirrored": lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    "narrow bar below": lambda image: captioned(image, 0.08, above=False),
    "wide bar below": lambda image: captioned(image, 0.2, above=False, paper="black"),
    "narrow bar above": lambda image: captioned(image, 0.08, above=True, paper="navy"),
    "wide bar above": lambda image: captioned(image, 0.2, above=True),
}


def found_names(dataset: Dataset, known: np.ndarray = NONE) -> list[tuple[str, str]]:
    pairs, agreement = find_rearranged(dataset, dataset.index, known=known)
    assert ((agreement > 0.9) & (agreement <= 1 + 1e-6)).all()
    assert (pairs[:, 0] < pairs[:, 1]).all()
    return [tuple(sorted(dataset.index["name"].iloc[list(pair)])) for pair in pairs.tolist()]


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_photo_in_any_shape_is_found_and_nothing_else(pile, copy):
    images = {f"a/{n}.png": photo(*size, seed=n) for n, size in enumerate(SHAPES)}
    images |= {f"b/{n}.png": soft_photo(n, size) for n, size in enumerate(SHAPES)}
    copies = {name.replace(".png", ".jpg"): copy(image) for name, image in images.items()}
    dataset = pile(images | copies)
    assert sorted(found_names(dataset)) == sorted((name.replace(".png", ".jpg"), name) for name in images)


def test_pairs_that_are_known_are_not_found_again(pile):
    dataset = pile({"a/1.png": photo(320, 240), "b/2.png": ImageOps.flip(photo(320, 240))})
    assert len(found_names(dataset)) == 1
    assert found_names(dataset, np.array([[0, 1]])) == []


def test_photos_of_several_shapes_are_not_alike(pile):
    assert (
        found_names(
            pile(
                plain_pile() | {f"a/{n} {w}.png": photo(w, 240, n) for n, w in enumerate(range(200, 300, 9))}
            )
        )
        == []
    )


def test_one_colour_is_not_like_another_or_itself_turned(pile):
    colours = {f"a/{n}.png": Image.new("RGB", (64 + n, 48), (9 * n, 80, 90)) for n in range(6)}
    assert found_names(pile(colours)) == []


def test_the_same_shape_in_another_colour_is_another_picture(pile):
    def badge(colour: str) -> Image.Image:
        image = Image.new("RGB", (240, 240), "white")
        drawing = ImageDraw.Draw(image)
        drawing.ellipse((50, 40, 190, 180), fill=colour)
        drawing.rectangle((90, 150, 150, 230), fill=colour)
        return image

    assert found_names(pile({"a/1.png": badge("red"), "a/2.png": ImageOps.flip(badge("blue"))})) == []
    assert (
        len(found_names(pile({"a/1.png": badge("red"), "a/2.png": ImageOps.flip(badge("red"))}, "two"))) == 1
    )


def test_digits_that_are_others_turned_are_not_copies(pile):
    # A 6 is a 9 upside down; 0, 1 and 8 are nearly the same in the mirror.
    files = [(name, file) for name, label, file in islice(sample_images(None), 500) if label in "01689"]
    images = {f"{name[0]}/{name.replace('/', ' ')}": load_image(file.read()) for name, file in files}
    assert len(images) > 200
    assert found_names(pile(images)) == []


def test_it_does_not_matter_how_many_are_compared_at_a_time(pile, monkeypatch):
    images = {f"a/{n}.png": photo(80, 60, seed=n) for n in range(9)}
    dataset = pile(images | {f"b/{n}.png": ImageOps.flip(images[f"a/{n}.png"]) for n in range(0, 9, 2)})
    found = found_names(dataset)
    assert len(found) == 5
    monkeypatch.setattr(_rearranged, "_TILE_ROWS", 4)
    monkeypatch.setattr(_rearranged, "_CHUNK", 3)
    assert found_names(dataset) == found
    monkeypatch.setattr(_rearranged, "_MANY", 0.0)
    assert found_names(dataset) == found


def test_they_are_near_duplicates_of_a_dataset(pile):
    images = plain_pile()
    dataset = pile(images | {"b/turned.png": COPIES["left"](images["a/1.png"])})
    vectors = np.random.default_rng(0).normal(size=(13, 32)).astype(np.float16)
    found = find_near_duplicates(dataset, dataset.index, vectors, fingerprint="some")
    name = dataset.index.set_index("sha256")["name"]
    assert [{name[one], name[other]} for one, other in found[["first", "second"]].to_numpy()] == [
        {"a/1.png", "b/turned.png"}
    ]
    assert found["similarity"].abs().max() < 0.7  # which would not have proposed it


def test_a_photo_that_is_lost_is_like_no_other(pile):
    dataset = pile(
        {"a/1.png": photo(320, 240), "b/2.png": ImageOps.flip(photo(320, 240)), "b/3.png": photo(240, 320)}
    )
    dataset.path(dataset.index["file"].iloc[1]).unlink()
    assert found_names(dataset) == []


def test_the_search_can_be_stopped(pile):
    task = Task()
    task.stop.set()
    dataset = pile({"a/1.png": photo(64, 48)})
    with pytest.raises(Stopped, match="what was embedded is kept"):
        find_rearranged(dataset, dataset.index, known=NONE, task=task)
