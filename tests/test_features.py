"""The store of embeddings: each computed once, found again by what the image is."""

import hashlib
import io
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
from PIL import Image

from vitcore.backbone import Device, Embedder, resolve_backbone
from vitcore.errors import BackboneError, ImageError, Stopped, StorageError
from vitcore.features import (
    FeatureStore,
    FirstLook,
    ImageFile,
    StoredVectors,
    _embed,
    _store,
    embed_images,
    local_pass,
)
from vitcore.progress import Task

CPU = Device("cpu", "CPU", "fp32")


class CountingEmbedder(Embedder):
    """Counts the images it is given, in batches of four."""

    batch_size = 4

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.embedded = 0
        self.after_batch = lambda: None

    def start(self, pixels):
        self.embedded += len(pixels)
        vectors = super().start(pixels)
        self.after_batch()
        return vectors


@pytest.fixture
def embedder(tiny_backbone: str) -> CountingEmbedder:
    return CountingEmbedder(resolve_backbone(tiny_backbone), CPU)


@pytest.fixture
def images(tmp_path: Path) -> list[ImageFile]:
    """Ten small pictures."""
    random = np.random.default_rng(0)
    found = []
    for number in range(10):
        path = tmp_path / f"{number}.png"
        Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
        found.append(ImageFile(path, hashlib.sha256(path.read_bytes()).hexdigest()))
    return found


def difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(np.float64) - second).max())


def vectors_file(workspace, embedder: Embedder) -> Path:
    return workspace.features / embedder.fingerprint / "vectors.f16"


# --- embedding images ------------------------------------------------------------------------


def test_an_embedding_is_that_of_the_prepared_image(embedder, images):
    found = embed_images(embedder, images[:1])
    with Image.open(images[0].path) as image:
        expected = embedder.embed(np.stack([embedder.prepare(image.convert("RGB"))]))
    assert (found.vectors.shape, found.vectors.dtype) == ((1, 1, 128), np.float16)
    assert difference(found.vectors[:, 0], expected) < 2e-3


def test_a_second_call_computes_nothing_and_gives_the_same_vectors(embedder, images):
    first = embed_images(embedder, images)
    assert (first.computed, embedder.embedded) == (10, 10)
    assert first.seconds > 0
    assert first.images_per_second == pytest.approx(10 / first.seconds)
    second = embed_images(embedder, images)
    assert (second.computed, second.seconds, second.images_per_second, embedder.embedded) == (0, 0.0, 0.0, 10)
    assert np.array_equal(first.vectors, second.vectors)


def test_the_speed_is_kept_of_a_pass_on_this_machine(embedder, images, monkeypatch):
    kept = []
    monkeypatch.setattr(_embed, "keep_speed", lambda *about, **figures: kept.append((about, figures)))
    found = embed_images(embedder, images)
    embed_images(embedder, images)
    embed_images(embedder, images, views=2, forward_pass=partial(local_pass))
    about = (embedder.workspace, embedder.backbone, embedder.device)
    assert kept == [(about, {"images": 10, "seconds": found.seconds})]


def test_the_rows_follow_the_order_of_the_images(embedder, images):
    forth, back = embed_images(embedder, images), embed_images(embedder, images[::-1])
    assert np.array_equal(forth.vectors, back.vectors[::-1])
    assert len(np.unique(forth.vectors[:, 0], axis=0)) == 10


def test_only_new_images_are_computed(embedder, images):
    embed_images(embedder, images[:6])
    assert embed_images(embedder, images).computed == 4


def test_a_new_view_computes_only_the_new(embedder, images):
    plain = embed_images(embedder, images)
    three = embed_images(embedder, images, views=3)
    assert (three.vectors.shape, three.computed) == ((10, 3, 128), 20)
    assert np.array_equal(three.vectors[:, 0], plain.vectors[:, 0])
    assert len(np.unique(three.vectors.reshape(30, 128), axis=0)) == 30
    two = embed_images(embedder, images, views=2)
    assert two.computed == 0
    assert np.array_equal(two.vectors, three.vectors[:, :2])


def test_images_of_the_same_content_are_computed_once(embedder, images, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes(images[0].path.read_bytes())
    found = embed_images(embedder, [images[0], images[1], ImageFile(copy, images[0].sha256), images[0]])
    assert (found.computed, embedder.embedded) == (2, 2)
    assert np.array_equal(found.vectors[0], found.vectors[2])
    assert np.array_equal(found.vectors[0], found.vectors[3])
    assert not np.array_equal(found.vectors[0], found.vectors[1])


def test_no_images_have_no_vectors(embedder):
    found = embed_images(embedder, [], views=2)
    assert (found.vectors.shape, found.computed) == ((0, 2, 128), 0)


def test_another_embedder_has_a_store_of_its_own(embedder, images, workspace):
    embed_images(embedder, images)
    other = CountingEmbedder(embedder.backbone, Device("cpu", "CPU", "bf16"))
    assert embed_images(other, images).computed == 10
    assert len(list(workspace.features.iterdir())) == 2


def test_a_stored_image_is_not_needed_any_more(embedder, images):
    first = embed_images(embedder, images)
    images[0].path.unlink()
    assert np.array_equal(embed_images(embedder, images).vectors, first.vectors)


@pytest.mark.parametrize("content", [None, b"", b"not an image"])
def test_an_image_that_can_no_longer_be_read_is_named(embedder, images, content):
    images[7].path.unlink()
    if content is not None:
        images[7].path.write_bytes(content)
    with pytest.raises(ImageError, match=r"7\.png can no longer be read"):
        embed_images(embedder, images)
    assert embed_images(embedder, images[:4]).computed == 0


def test_progress_starts_at_what_is_stored_and_ends_at_all(embedder, images):
    embed_images(embedder, images[:3])
    seen = []
    embed_images(embedder, [*images, images[0]], views=2, task=Task(seen.append))
    assert {(progress.phase, progress.unit, progress.total) for progress in seen} == {("embed", "images", 20)}
    assert (seen[0].done, seen[-1].done) == (3, 20)
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)


def test_stopping_keeps_finished_batches(embedder, images):
    stop = threading.Event()
    embedder.after_batch = stop.set
    with pytest.raises(Stopped, match="what was computed is kept"):
        embed_images(embedder, images, task=Task(stop=stop))
    assert embedder.embedded == 4
    assert embed_images(embedder, images).computed == 6


def test_stopping_before_the_start_computes_nothing(embedder, images):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        embed_images(embedder, images, task=Task(stop=stop))
    assert embedder.embedded == 0


def test_two_threads_that_embed_the_same_images_agree(tiny_backbone, images):
    found, errors = [], []
    start = threading.Barrier(3)

    def work() -> None:
        mine = CountingEmbedder(resolve_backbone(tiny_backbone), CPU)
        start.wait()
        try:
            found.append(embed_images(mine, images, views=2).vectors)
        except Exception as error:  # noqa: BLE001 - to be seen in the main thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_a_vector_too_large_to_be_stored_is_an_error_and_not_infinity(tiny_backbone, images, tmp_path):
    state = safetensors.torch.load_file(tiny_backbone)
    state["norm.weight"] *= 1e6
    path = tmp_path / "loud.safetensors"
    safetensors.torch.save_file(state, path, {"architecture": "test_vit"})
    with pytest.raises(BackboneError):
        embed_images(Embedder(resolve_backbone(str(path)), CPU), images[:2])


# --- damage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 1, 255, 256, 256 * 4 + 100, 256 * 9 + 255])
def test_vectors_missing_from_the_file_are_computed_again(embedder, images, workspace, kept):
    first = embed_images(embedder, images)
    path = vectors_file(workspace, embedder)
    path.write_bytes(path.read_bytes()[:kept])
    again = embed_images(embedder, images)
    assert again.computed == 10 - kept // 256
    assert difference(again.vectors, first.vectors) < 2e-3
    assert embed_images(embedder, images).computed == 0


def test_vectors_lost_once_do_not_come_back_as_zeros(embedder, images, workspace):
    first = embed_images(embedder, images)
    path = vectors_file(workspace, embedder)
    path.write_bytes(path.read_bytes()[: 256 * 4])
    # Others are stored behind the gap before the lost ones are asked for.
    embed_images(embedder, images[4:6])
    again = embed_images(embedder, images)
    assert difference(again.vectors, first.vectors) < 2e-3


def test_recomputing_lost_vectors_can_be_stopped_and_resumed(embedder, images, workspace):
    first = embed_images(embedder, images)
    vectors_file(workspace, embedder).write_bytes(b"")
    stop = threading.Event()
    embedder.after_batch = stop.set
    with pytest.raises(Stopped):
        embed_images(embedder, images, task=Task(stop=stop))
    again = embed_images(embedder, images)
    assert again.computed == 6
    assert difference(again.vectors, first.vectors) < 2e-3


def test_a_deleted_store_is_made_anew(embedder, images, workspace):
    import shutil

    first = embed_images(embedder, images)
    shutil.rmtree(workspace.features / embedder.fingerprint)
    again = embed_images(embedder, images)
    assert again.computed == 10
    assert np.array_equal(first.vectors, again.vectors)


def nothing(stored: np.ndarray) -> None:
    stored[3] = 0


def no_number(stored: np.ndarray) -> None:
    stored[3, 7] = np.nan


def another_number(stored: np.ndarray) -> None:
    stored[3, 7] = -stored[3, 7]


def rows_swapped(stored: np.ndarray) -> None:
    stored[[3, 4]] = stored[[4, 3]]


def numbers_swapped(stored: np.ndarray) -> None:
    stored[3, :2] = stored[3, 1::-1]


DAMAGES = [nothing, no_number, another_number, rows_swapped, numbers_swapped]


def damage(path: Path, change: Callable[[np.ndarray], None], dimension: int) -> None:
    stored = np.fromfile(path, dtype=np.float16).reshape(-1, dimension)
    change(stored)
    stored.tofile(path)


@pytest.mark.parametrize("change", DAMAGES)
def test_a_vector_that_is_not_what_was_written_is_computed_again(embedder, images, workspace, change):
    first = embed_images(embedder, images)
    damage(vectors_file(workspace, embedder), change, 128)
    said = []
    again = embed_images(embedder, images, task=Task(said.append))
    assert np.array_equal(again.vectors, first.vectors)
    assert again.computed == (2 if change is rows_swapped else 1)
    assert "computed again" in str(said[0].message)
    assert embed_images(embedder, images).computed == 0


def without_checksums(workspace, embedder: Embedder) -> None:
    """Make a store what it was before there were checksums."""
    with closing(sqlite3.connect(vectors_file(workspace, embedder).with_name("index.sqlite"))) as database:
        entries = database.execute("SELECT sha256, view, row FROM vectors").fetchall()
        database.execute("DROP TABLE vectors")
        database.execute(
            "CREATE TABLE vectors (sha256 TEXT, view TEXT, row INTEGER UNIQUE NOT NULL,"
            " PRIMARY KEY (sha256, view)) WITHOUT ROWID"
        )
        database.executemany("INSERT INTO vectors VALUES (?, ?, ?)", entries)
        database.commit()


@pytest.mark.parametrize(
    ("change", "computed"), [(lambda _: None, 0), (nothing, 1), (no_number, 1), (another_number, 0)]
)
def test_vectors_of_before_there_were_checksums_are_kept_if_they_can_be(
    embedder, images, workspace, change, computed
):
    first = embed_images(embedder, images)
    without_checksums(workspace, embedder)
    damage(vectors_file(workspace, embedder), change, 128)
    assert embed_images(embedder, images).computed == computed
    damage(vectors_file(workspace, embedder), rows_swapped, 128)  # from now on they have one
    again = embed_images(embedder, images)
    assert again.computed == 2 - computed  # where one was lost, its row is of no use any more
    assert np.array_equal(again.vectors, first.vectors)


@pytest.mark.parametrize("content", [b"", b"no database " * 1000, b"SQLite format 3\0" + bytes(4080)])
def test_an_index_that_is_none_is_made_anew(embedder, images, workspace, content):
    first = embed_images(embedder, images)
    folder = workspace.features / embedder.fingerprint
    for path in folder.glob("index.sqlite-*"):
        path.unlink()
    (folder / "index.sqlite").write_bytes(content)
    again = embed_images(embedder, images)
    assert again.computed == 10
    assert np.array_equal(again.vectors, first.vectors)
    assert embed_images(embedder, images).computed == 0


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_byte_in_the_index_costs_little_and_changes_nothing(tmp_path, seed):
    names = [hashlib.sha256(bytes([number])).hexdigest() for number in range(200)]
    vectors = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    FeatureStore(tmp_path / "store", 4).write(keys(*names), vectors)
    index = tmp_path / "store" / "index.sqlite"
    content = bytearray(index.read_bytes())
    random = np.random.default_rng(seed)
    place = int(random.integers(0, 100) if seed < 6 else random.integers(100, len(content)))
    content[place] ^= 1 << int(random.integers(8))
    index.write_bytes(content)
    store = FeatureStore(tmp_path / "store", 4)
    found = store.intact(keys(*names))
    good = found >= 0
    assert np.array_equal(store.read(found[good]), vectors.astype(np.float16)[good])
    lost = np.flatnonzero(~good).tolist()
    store.write([keys(names[number])[0] for number in lost], vectors[lost])
    found = store.intact(keys(*names))
    assert np.array_equal(store.read(found), vectors.astype(np.float16))


def test_of_a_damaged_index_most_is_saved(tmp_path):
    names = [f"{number:064}" for number in range(2000)]
    vectors = np.arange(2000, dtype=np.float32)[:, None]
    FeatureStore(tmp_path / "store", 1).write(keys(*names), vectors)
    index = tmp_path / "store" / "index.sqlite"
    content = bytearray(index.read_bytes())
    middle = content.index(names[1000].encode()) // 4096 * 4096
    content[middle : middle + 4096] = bytes(4096)
    index.write_bytes(content)
    store = FeatureStore(tmp_path / "store", 1)
    found = store.intact(keys(*names))
    assert 1800 < (found >= 0).sum() < 2000
    assert np.array_equal(store.read(found[found >= 0]), vectors[found >= 0])
    store.write(keys("new"), np.array([[5.0]], dtype=np.float32))
    assert store.read(store.intact(keys("new"))).tolist() == [[5.0]]


# --- the store -------------------------------------------------------------------------------


def keys(*names: str) -> list[tuple[str, str]]:
    return [(name, "plain") for name in names]


def test_what_is_written_is_read(tmp_path):
    store = FeatureStore(tmp_path / "store", 3)
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    store.write(keys("a", "b"), vectors)
    assert store.rows(keys("b", "x", "a", "b")).tolist() == [1, -1, 0, 1]
    assert np.array_equal(store.read(store.rows(keys("b", "a"))), vectors[::-1])
    assert store.read(np.array([], dtype=np.int64)).shape == (0, 3)


def test_views_are_kept_apart(tmp_path):
    store = FeatureStore(tmp_path / "store", 1)
    store.write([("a", "plain"), ("a", "augmented-1-1")], np.array([[1.0], [2.0]], dtype=np.float32))
    assert store.read(store.rows([("a", "augmented-1-1"), ("a", "plain")])).tolist() == [[2.0], [1.0]]
    assert store.rows([("a", "augmented-1-2")]).tolist() == [-1]


def test_thousands_of_keys_are_found_at_once(tmp_path):
    store = FeatureStore(tmp_path / "store", 1)
    names = [f"{number:05}" for number in range(3000)]
    store.write(keys(*names), np.zeros((3000, 1), dtype=np.float32))
    assert store.rows(keys(*names[::-1])).tolist() == list(range(3000))[::-1]


def test_writing_a_key_again_replaces_it(tmp_path):
    store = FeatureStore(tmp_path / "store", 1)
    store.write(keys("a", "b"), np.array([[1.0], [2.0]], dtype=np.float32))
    store.write(keys("a"), np.array([[3.0]], dtype=np.float32))
    assert store.read(store.rows(keys("a", "b"))).tolist() == [[3.0], [2.0]]


def test_a_store_is_found_again(tmp_path):
    FeatureStore(tmp_path / "store", 2).write(keys("a"), np.array([[1.0, 2.0]], dtype=np.float32))
    store = FeatureStore(tmp_path / "store", 2)
    assert store.read(store.rows(keys("a"))).tolist() == [[1.0, 2.0]]


def test_a_write_that_fails_enters_nothing(tmp_path):
    store = FeatureStore(tmp_path / "store", 1)
    store.write(keys("a"), np.array([[1.0]], dtype=np.float32))
    (tmp_path / "store" / "vectors.f16").unlink()
    (tmp_path / "store" / "vectors.f16").mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        store.write(keys("b"), np.array([[2.0]], dtype=np.float32))
    (tmp_path / "store" / "vectors.f16").rmdir()
    (tmp_path / "store" / "vectors.f16").write_bytes(np.array([1.0], dtype=np.float16).tobytes())
    assert store.rows(keys("a", "b")).tolist() == [0, -1]


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        FeatureStore(tmp_path / "file" / "store", 1)


@pytest.mark.thorough
def test_many_threads_write_into_a_new_store_and_nothing_is_lost(tmp_path):
    errors: list[Exception] = []

    def work(folder: Path, worker: int, start: threading.Barrier) -> None:
        start.wait()
        try:
            store = FeatureStore(folder, 2)
            for number in range(5):
                store.write(
                    keys(f"{worker} {number}"), np.full((1, 2), 10 * worker + number, dtype=np.float32)
                )
        except Exception as error:  # noqa: BLE001 - to be seen in the main thread
            errors.append(error)

    for attempt in range(20):
        folder, start = tmp_path / f"store {attempt}", threading.Barrier(8)
        threads = [threading.Thread(target=work, args=(folder, worker, start)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == [], f"attempt {attempt}"
        names = [f"{worker} {number}" for worker in range(8) for number in range(5)]
        store = FeatureStore(folder, 2)
        expected = [10 * worker + number for worker in range(8) for number in range(5)]
        assert store.read(store.rows(keys(*names)))[:, 0].tolist() == expected


# --- vectors that stay on the disk -------------------------------------------------------------


@pytest.fixture
def many(tmp_path) -> tuple[StoredVectors, np.ndarray]:
    """Vectors (20, 2, 5) that lie in a file in another order, and the same in memory."""
    rows = np.random.default_rng(0).permutation(40).reshape(20, 2)
    content = np.arange(200, dtype=np.float16).reshape(40, 5)
    (tmp_path / "vectors.f16").write_bytes(content.tobytes())
    return StoredVectors(tmp_path / "vectors.f16", rows, 5), content[rows]


KEYS = [
    slice(3, 11),
    slice(None, None, -1),
    np.array([4, 4, 0, 19, 5]),
    np.array([], dtype=np.int64),
    np.arange(20) % 3 == 0,
    7,
    (slice(None), 0),
    (slice(None), slice(None, 1)),
    (slice(None), None),
    (np.array([3, 1]), np.array([0, 1])),
    (2, 1),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_an_index_picks_what_it_picks_from_an_array(many, key):
    stored, held = many
    picked = stored[key]
    assert picked.shape == held[key].shape
    assert (len(picked), picked.ndim, picked.dtype) == (len(held[key]), held[key].ndim, np.float16)
    assert np.array_equal(picked, held[key])


def test_picking_reads_nothing_until_a_single_vector_is_left(many, monkeypatch):
    stored, held = many
    monkeypatch.setattr(_store, "_read", None)
    picked = stored[:, 0][np.arange(20) > 3][::2][:, None]
    assert isinstance(picked, StoredVectors)
    monkeypatch.undo()
    assert np.array_equal(picked, held[4::2, :1])
    assert isinstance(stored[3, 1], np.ndarray)


def test_a_vector_cannot_be_picked_apart(many):
    with pytest.raises(IndexError):
        _ = many[0][:, 0, 3]


def test_functions_of_numpy_read_all(many):
    stored, held = many
    assert np.asarray(stored).flags.writeable
    assert np.asarray(stored, dtype=np.float32).dtype == np.float32
    assert np.array_equal(
        np.concatenate([stored[4:, 1], stored[:, 0]]), np.concatenate([held[4:, 1], held[:, 0]])
    )
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(stored, copy=False)


@pytest.mark.parametrize("rows", [[7], [3, 4, 5], [5, 4, 3], [9, 2, 3, 4, 2, 3, 0], list(range(40))])
def test_rows_are_read_in_any_order_and_as_often_as_asked(tmp_path, rows):
    content = np.arange(200, dtype=np.float16).reshape(40, 5)
    (tmp_path / "vectors.f16").write_bytes(content.tobytes())
    assert np.array_equal(StoredVectors(tmp_path / "vectors.f16", np.array(rows), 5), content[rows])


def test_a_read_that_the_system_cuts_short_goes_on(many, monkeypatch):
    class Slow(io.FileIO):
        def readinto(self, buffer):
            return super().readinto(memoryview(buffer)[:3])

    monkeypatch.setattr(Path, "open", lambda path, mode, buffering: Slow(path))  # noqa: ARG005
    assert np.array_equal(*many)


def test_stored_vectors_that_are_gone_are_a_storage_error(many, tmp_path):
    os.truncate(tmp_path / "vectors.f16", 300)
    with pytest.raises(StorageError, match="are gone; train again"):
        np.asarray(many[0])
    (tmp_path / "vectors.f16").unlink()
    with pytest.raises(StorageError, match="is missing; train again"):
        np.asarray(many[0])


def test_few_vectors_are_read_at_once_and_many_stay_where_they_are(embedder, images, monkeypatch):
    held = embed_images(embedder, images, views=2).vectors
    assert isinstance(held, np.ndarray)
    monkeypatch.setattr(_store, "_HELD_BYTES", 4 * 10 * 2 * 128 - 1)  # in single precision, by one byte
    stored = embed_images(embedder, images, views=2).vectors
    assert isinstance(stored, StoredVectors)
    assert np.array_equal(stored, held)
    assert isinstance(embed_images(embedder, images[:9], views=2).vectors, np.ndarray)


# --- a first look ------------------------------------------------------------------------------


@pytest.mark.parametrize(("stored", "looks"), [([], [2, 4, 9]), ([0, 2, 7], [2, 4, 9]), ([9, 8, 7, 6], [9])])
def test_the_first_vectors_are_seen_while_the_others_are_computed(embedder, images, stored, looks):
    order = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    expected = embed_images(embedder, images).vectors[:, 0]
    FeatureStore.of(embedder)
    embedder.workspace.root.joinpath("features").rename(embedder.workspace.root / "features before")
    if stored:
        embed_images(embedder, [images[number] for number in stored])
    seen = []
    first_look = FirstLook(
        order=order, sizes=[2, 4, 9], look=lambda vectors: seen.append(np.asarray(vectors))
    )
    found = embed_images(embedder, images, first_look=first_look)
    assert difference(found.vectors[:, 0], expected) == 0
    assert [len(vectors) for vectors in seen][-1] == looks[-1]
    assert {len(vectors) for vectors in seen} <= set(looks)
    for vectors in seen:
        assert difference(vectors, expected[order[: len(vectors)]]) == 0


def test_nobody_looks_at_what_is_there_already(embedder, images):
    embed_images(embedder, images)
    seen = []
    embed_images(embedder, images, first_look=FirstLook(order=np.arange(10), sizes=[2, 4], look=seen.append))
    assert seen == []
