"""Near-duplicates: pairs proposed by vectors, confirmed by pixels, and put into groups."""

import io
import zipfile
from collections.abc import Callable
from itertools import combinations, islice
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from vitcore import vectors as cellar
from vitcore.dataset import (
    SAME_PICTURE,
    Picture,
    _duplicates,
    group_pairs,
    likeness,
    load_image,
    similar_pairs,
)
from vitcore.dataset._sample import sample_images
from vitcore.errors import Stopped
from vitcore.features import StoredVectors, _store
from vitcore.progress import Task

CLOTHING = Path(__file__).parents[3] / "shared" / "data" / "clothing-600.zip"


def photo(number: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Soft blobs in many colours; another number gives another picture."""
    random = np.random.default_rng(number)
    blobs = random.integers(0, 256, (size[1] // 16, size[0] // 16, 3), dtype=np.uint8)
    return Image.fromarray(blobs).resize(size, Image.Resampling.BICUBIC)


def picture(image: Image.Image) -> Picture:
    return Picture(ImageOps.fit(image, (240, 240)))


def like(first: Picture, second: Picture) -> float:
    return float(likeness([first], [second])[0])


def saved(image: Image.Image, quality: int = 90) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return load_image(file.getvalue())


def cropped(image: Image.Image, part: float) -> Image.Image:
    width, height = round(part * image.width), round(part * image.height)
    left, top = (image.width - width) // 3, image.height - height
    return image.crop((left, top, left + width, top + height))


def captioned(image: Image.Image) -> Image.Image:
    image = image.copy()
    drawing = ImageDraw.Draw(image)
    drawing.rectangle((4, image.height - 20, 104, image.height - 4), fill="white")
    drawing.text((8, image.height - 18), "© my shop", fill="black")
    return image


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": lambda image: saved(image.resize((image.width // 2, image.height // 2))),
    "poor quality": lambda image: saved(image, 40),
    "brighter": lambda image: saved(ImageEnhance.Brightness(image).enhance(1.15)),
    "darker": lambda image: saved(ImageEnhance.Brightness(image).enhance(0.85)),
    "caption": lambda image: saved(captioned(image)),
    "cropped to 97 %": lambda image: saved(cropped(image, 0.97)),
    "cropped to 90 %": lambda image: saved(cropped(image, 0.9)),
    "mirrored": lambda image: saved(ImageOps.mirror(image)),
}


# --- pixels ------------------------------------------------------------------------------------


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_the_same_picture_whichever_is_asked(copy):
    for number in range(3):
        original, other = picture(photo(number)), picture(copy(photo(number)))
        assert like(original, other) >= SAME_PICTURE
        assert like(other, original) >= SAME_PICTURE


def test_different_pictures_are_not_the_same():
    pictures = [picture(photo(number)) for number in range(8)]
    assert max(like(a, b) for a, b in combinations(pictures, 2)) < 0.7


def test_noise_of_one_tint_is_not_the_same():
    random = np.random.default_rng(0)
    noise = [
        picture(Image.fromarray((120 + random.normal(0, 20, (48, 64, 3))).clip(0, 255).astype(np.uint8)))
        for _ in range(6)
    ]
    assert max(like(a, b) for a, b in combinations(noise, 2)) < 0.7


def test_the_same_shape_in_another_colour_is_not_the_same():
    def badge(colour: str) -> Picture:
        image = Image.new("RGB", (240, 240), "white")
        drawing = ImageDraw.Draw(image)
        drawing.ellipse((50, 40, 190, 180), fill=colour)
        drawing.rectangle((90, 150, 150, 230), fill=colour)
        return picture(image)

    assert like(badge("red"), badge("red")) == pytest.approx(1)
    assert like(badge("red"), badge("blue")) < SAME_PICTURE


def test_pictures_without_structure_are_told_by_their_colour():
    white, nearly, grey = (picture(Image.new("RGB", (64, 48), (v, v, v))) for v in (255, 253, 200))
    assert like(white, nearly) == 1
    assert like(white, grey) == 0
    assert like(white, picture(photo(0))) == 0
    assert like(picture(photo(0)), white) == 0


def test_digits_of_one_kind_are_not_taken_for_one():
    zeros = [file for _, label, file in islice(sample_images(), 200) if label == "0"]
    pictures = [picture(load_image(file.read())) for file in zeros[:12]]
    alike = [like(a, b) >= SAME_PICTURE for a, b in combinations(pictures, 2)]
    assert sum(alike) <= 1


@pytest.mark.skipif(not CLOTHING.is_file(), reason="the photos are not here")
def test_copies_of_real_photos_are_found_and_other_photos_are_not():
    with zipfile.ZipFile(CLOTHING) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[::60]
        photos = [load_image(archive.read(name)) for name in names]
    assert len(photos) >= 10
    originals = [picture(image) for image in photos]
    for kind, copy in COPIES.items():
        found = [like(o, picture(copy(i))) >= SAME_PICTURE for o, i in zip(originals, photos, strict=True)]
        assert sum(found) >= len(found) - (1 if kind.startswith("cropped") else 0), kind
    assert max(like(a, b) for a, b in combinations(originals, 2)) < SAME_PICTURE


# --- vectors -----------------------------------------------------------------------------------


def by_brute_force(vectors: np.ndarray, threshold: float) -> dict[tuple[int, int], float]:
    exact = vectors.astype(np.float64)
    exact = (exact - exact.mean(axis=0)) / exact.std(axis=0)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    products = exact @ exact.T
    return {
        (int(a), int(b)): products[a, b]
        for a, b in zip(*np.nonzero(products >= threshold), strict=True)
        if a < b
    }


def some_vectors(count: int, dimension: int = 48, seed: int = 0) -> np.ndarray:
    """Clusters of vectors with different scales and offsets in each dimension."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(count // 4, dimension))
    vectors = centres[random.integers(0, len(centres), count)] + 0.5 * random.normal(size=(count, dimension))
    return (vectors * random.uniform(0.1, 5, dimension) + random.normal(0, 5, dimension)).astype(np.float16)


def test_the_pairs_are_those_of_a_comparison_of_all_with_all(monkeypatch):
    vectors = some_vectors(3000)
    expected = by_brute_force(vectors, 0.7)
    assert len(expected) > 1000
    monkeypatch.setattr(_duplicates, "_TILE_ROWS", 700)
    pairs, similarities = similar_pairs(vectors, threshold=0.7)
    found = dict(zip(map(tuple, pairs.tolist()), similarities.tolist(), strict=True))
    doubtful = {pair for pair, value in (expected | found).items() if abs(value - 0.7) < 1e-4}
    assert found.keys() - doubtful == expected.keys() - doubtful
    assert all(abs(found[pair] - expected[pair]) < 1e-4 for pair in expected.keys() - doubtful)
    assert (np.diff(pairs[:, 0]) >= 0).all()


def test_only_the_most_similar_partners_are_kept():
    vectors = some_vectors(400)
    pairs, similarities = similar_pairs(vectors, threshold=0.3)
    few, few_similarities = similar_pairs(vectors, threshold=0.3, most=2)
    assert len(few) < len(pairs)
    for row in range(400):
        everything, kept = similarities[pairs[:, 0] == row], few_similarities[few[:, 0] == row]
        assert sorted(kept) == sorted(everything)[-2:]


@pytest.mark.parametrize("most", [None, 1, 3])
@pytest.mark.parametrize("rows", [(37, 10), (64, 64), (400, 7)])
def test_it_does_not_matter_how_many_are_compared_at_a_time(monkeypatch, rows, most):
    vectors = some_vectors(400)
    pairs, similarities = similar_pairs(vectors, threshold=0.3, most=most)
    assert len(pairs) > 300
    monkeypatch.setattr(_duplicates, "_TILE_ROWS", rows[0])
    monkeypatch.setattr(_duplicates, "_STRIP_ROWS", rows[1])
    tiled, their_similarities = similar_pairs(vectors, threshold=0.3, most=most)
    assert np.array_equal(tiled, pairs)
    assert np.allclose(their_similarities, similarities, atol=1e-5)


def test_vectors_on_the_disk_are_read_a_tile_at_a_time(monkeypatch, tmp_path):
    vectors = some_vectors(400)
    rows = np.random.default_rng(0).permutation(400)
    (tmp_path / "vectors").write_bytes(vectors[np.argsort(rows)].tobytes())
    reads: list[int] = []
    read = _store._read

    def counting(file, wanted, dimension):
        reads.append(len(wanted))
        return read(file, wanted, dimension)

    monkeypatch.setattr(_store, "_read", counting)
    monkeypatch.setattr(cellar, "_ROWS", 64)
    monkeypatch.setattr(_duplicates, "_TILE_ROWS", 64)
    found = similar_pairs(StoredVectors(tmp_path / "vectors", rows, 48), threshold=0.3)
    assert max(reads) == 64
    for one, other in zip(found, similar_pairs(vectors, threshold=0.3), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_vectors_are_no_problem(count):
    pairs, similarities = similar_pairs(np.ones((count, 5), dtype=np.float16))
    assert (pairs.shape, similarities.shape) == ((0, 2), (0,))


def test_the_search_can_be_stopped():
    stop = Event()
    stop.set()
    with pytest.raises(Stopped, match="what was embedded is kept"):
        similar_pairs(some_vectors(100), task=Task(stop=stop))


# --- groups ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_connected_components(seed):
    random = np.random.default_rng(seed)
    pairs = random.integers(0, 200, (120, 2))
    groups = group_pairs(200, pairs, random.random(120), largest=200)
    count, expected = connected_components(
        coo_array((np.ones(120), pairs.T), shape=(200, 200)), directed=False
    )
    assert len(set(groups)) == count
    assert len({*zip(groups, expected, strict=True)}) == count
    assert all(groups[group] == group <= item for item, group in enumerate(groups))


def test_a_chain_does_not_grow_beyond_the_largest_group_and_breaks_at_its_weakest_link():
    chain = np.stack([np.arange(9), np.arange(1, 10)], axis=1)
    strengths = np.array([0.99, 0.98, 0.99, 0.98, 0.95, 0.99, 0.98, 0.99, 0.98])
    assert group_pairs(10, chain, strengths, largest=5).tolist() == [0] * 5 + [5] * 5
    assert group_pairs(10, chain, strengths, largest=10).tolist() == [0] * 10
    assert np.bincount(group_pairs(10, chain, strengths, largest=3)).max() <= 3
