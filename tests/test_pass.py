"""The pass through the backbone: order, what cannot be read, and what is at work at the same time."""

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitcore.backbone import Device, Embedder, resolve_backbone
from vitcore.errors import ImageError, StorageError
from vitcore.features import FeatureStore, ImageFile, ImageView, Unreadable, embed_images, local_pass

CPU = Device("cpu", "CPU", "fp32")
BATCH = 4


class Watched(Embedder):
    """Sees 32 pixels, four images at a time; notes when a batch is begun and when it is fetched."""

    batch_size = BATCH

    def __init__(self, backbone, device=CPU) -> None:
        super().__init__(backbone, device)
        self.events: list[str] = []

    def start(self, pixels) -> Callable[[], np.ndarray]:
        number = sum(event.startswith("begun") for event in self.events)
        self.events.append(f"begun {number}")
        vectors = Embedder(self.backbone, CPU).embed(pixels)

        def result() -> np.ndarray:
            self.events.append(f"fetched {number}")
            return vectors

        return result


@pytest.fixture
def backbone(tiny_backbone):
    return resolve_backbone(tiny_backbone, 32)


@pytest.fixture
def files(tmp_path: Path) -> list[ImageFile]:
    random = np.random.default_rng(0)
    found = []
    for number in range(10):
        path = tmp_path / f"{number}.png"
        Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
        found.append(ImageFile(path, hashlib.sha256(path.read_bytes()).hexdigest()))
    return found


def views_of(files: list[ImageFile]) -> list[ImageView]:
    return [ImageView(source=file.path, sha256=file.sha256) for file in files]


def test_shots_come_back_in_order_and_in_batches(backbone, files):
    views = views_of(files)
    batches = list(local_pass(Watched(backbone), views))
    assert [len(batch.views) for batch in batches] == [4, 4, 2]
    assert [view for batch in batches for view in batch.views] == views
    embedder = Embedder(backbone, CPU)
    for batch in batches:
        for view, vector in zip(batch.views, batch.vectors, strict=True):
            with Image.open(view.source) as image:
                expected = embedder.embed(embedder.prepare(image.convert("RGB"))[np.newaxis])
            assert np.abs(vector - expected).max() < 1e-5


def test_bytes_are_as_good_as_a_file(backbone, files):
    [by_path] = local_pass(Watched(backbone), views_of(files[:2]))
    [by_bytes] = local_pass(
        Watched(backbone), [ImageView(source=file.path.read_bytes()) for file in files[:2]]
    )
    assert np.array_equal(by_path.vectors, by_bytes.vectors)


def test_what_cannot_be_read_is_refused_and_the_others_are_not(backbone, files):
    files[1].path.write_bytes(b"no image")
    files[6].path.unlink()
    views = [*views_of(files), ImageView(source=Path("a\0b"))]
    batches = list(local_pass(Watched(backbone), views))
    assert [sorted(batch.refused) for batch in batches] == [[1], [2], [2]]
    assert [len(batch.vectors) for batch in batches] == [3, 3, 2]
    assert [view for batch in batches for view in batch.good] == [
        view for number, view in enumerate(views) if number not in {1, 6, 10}
    ]
    assert all(isinstance(refusal, Unreadable) for batch in batches for refusal in batch.refused.values())
    assert "cannot be opened" in str(batches[1].refused[2].reason)


def test_a_batch_without_any_image_has_no_vectors(backbone, tmp_path):
    embedder = Watched(backbone)
    [batch] = local_pass(embedder, [ImageView(source=tmp_path / "gone.jpg")] * 3)
    assert (batch.vectors.shape, len(batch.refused), embedder.events) == ((0, 128), 3, [])


def test_a_cpu_has_one_batch_at_work(backbone, files):
    embedder = Watched(backbone)
    list(local_pass(embedder, views_of(files)))
    assert embedder.events == ["begun 0", "fetched 0", "begun 1", "fetched 1", "begun 2", "fetched 2"]


def test_a_gpu_gets_the_next_batch_before_the_last_is_fetched(backbone, files):
    embedder = Watched(backbone, Device("cuda", "a GPU", "fp32"))
    batches = list(local_pass(embedder, views_of(files)))
    assert embedder.events == ["begun 0", "begun 1", "fetched 0", "begun 2", "fetched 1", "fetched 2"]
    assert [view for batch in batches for view in batch.views] == views_of(files)


def test_only_some_batches_are_asked_for_ahead(backbone, files):
    asked = []

    def views():
        for number in range(1000):
            asked.append(number)
            yield ImageView(source=files[number % 10].path)

    batches = local_pass(Watched(backbone), views())
    next(batches)
    batches.close()
    assert len(asked) == 3 * BATCH
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vitcore-decode")]


# --- and into the store ----------------------------------------------------------------------


def test_what_was_computed_beside_an_image_that_is_gone_is_kept(backbone, files):
    files[5].path.unlink()
    with pytest.raises(ImageError, match=r"5\.png can no longer be read"):
        embed_images(Watched(backbone), files)
    files[5] = files[0]
    assert embed_images(Watched(backbone), files).computed == 2  # the two behind its batch


def test_a_disk_that_is_full_is_said_whatever_batch_it_was(backbone, files, monkeypatch):
    def full(*_: object) -> None:
        raise StorageError("Embeddings cannot be stored (disk full); free some disk space, then go on.")

    monkeypatch.setattr(FeatureStore, "write", full)
    with pytest.raises(StorageError, match="disk full"):
        embed_images(Watched(backbone), files[:3])
    with pytest.raises(StorageError, match="disk full"):
        embed_images(Watched(backbone), files)
