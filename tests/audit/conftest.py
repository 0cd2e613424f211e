"""Piles of made photos, measured with the tiny backbone."""

from collections.abc import Callable
from threading import Lock

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests._pictures import soft_photo
from vitcore.audit import _measures, measure
from vitcore.backbone import Embedder
from vitcore.compute import Compute
from vitcore.dataset import Dataset, Finding, import_dataset


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


def plain_pile(count: int = 6) -> dict[str, Image.Image]:
    return {
        f"{label}/{n}.png": soft_photo(100 * place + n)
        for place, label in enumerate("ab")
        for n in range(count)
    }


def names(dataset: Dataset, finding: Finding) -> list[list[str]]:
    of = dict(zip(dataset.index["image_id"], dataset.index["name"], strict=True))
    return [[of[image_id] for image_id in group] for group in finding.groups]


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
    counting = Lock()
    done = {"embedded": 0, "scored": 0}
    start, scores = Embedder.start, _measures.quality_scores

    def counting_start(self: Embedder, pixels: np.ndarray) -> Callable[[], np.ndarray]:
        done["embedded"] += len(pixels)
        return start(self, pixels)

    def counting_scores(image: Image.Image) -> dict[str, float]:
        with counting:
            done["scored"] += 1
        return scores(image)

    monkeypatch.setattr(Embedder, "start", counting_start)
    monkeypatch.setattr(_measures, "quality_scores", counting_scores)
    return done


@pytest.fixture
def flawed(pile) -> Dataset:
    random = np.random.default_rng(3)
    grey = Image.fromarray(random.integers(0, 14, (240, 320, 3), dtype=np.uint8))
    return pile(
        plain_pile(8)
        | {
            "a/black.png": grey,
            "a/blurred.png": soft_photo(70).filter(ImageFilter.GaussianBlur(12)),
            "b/white.png": Image.fromarray(255 - np.asarray(grey) // 3),
            "b/one colour.png": Image.new("RGB", (320, 240), (90, 140, 60)),
        }
    )
