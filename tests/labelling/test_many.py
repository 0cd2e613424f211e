"""A heap of 20,000 photos without labels: how long a page takes, and how much memory a session."""

import time
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vitcore.dataset import Dataset, import_dataset
from vitcore.dataset._versions import commit
from vitcore.labelling import drawn_to_neighbours, principal_axes
from vitcore.layouts import Reading
from vitcore.messages import message
from vitcore.pipeline import LabelSession, LabelSpace, give_labels

pytestmark = pytest.mark.slow  # it measures time and memory

COUNT, CLASSES, DIMENSION = 20_000, 10, 384
PAGE, PAGES = 24, 4
MOST_SECONDS = 2.0
MOST_MB = 10.0  # that two more pages may leave behind


@pytest.fixture
def heap(picture_folder, tmp_path) -> Dataset:
    """20,000 photos, by their rows; of the files there is one."""
    folder = tmp_path / "heap"
    folder.mkdir()
    [photo] = picture_folder(classes=("only",), count=1).glob("*/*")
    photo.rename(folder / photo.name)
    dataset = import_dataset(folder, reading=Reading(unlabelled=True))
    rows = dataset.rows.loc[np.zeros(COUNT, dtype=np.int64)].reset_index(drop=True)
    numbers = np.arange(COUNT)
    rows = rows.assign(
        image_id=numbers,
        name=[f"{number:05}.png" for number in numbers],
        sha256=[f"{number:064x}" for number in numbers],
    ).astype(dict(dataset.rows.dtypes))
    return commit(replace(dataset, rows=rows), message("Made up."))


class Person:
    """Labels pages of a heap, and looks at a clock."""

    def __init__(self, heap: Dataset) -> None:
        random = np.random.default_rng(0)
        self.truth = random.integers(0, CLASSES, COUNT)
        middles = random.normal(0, 1, (CLASSES, DIMENSION))
        vectors = middles[self.truth] + random.normal(0, 2, (COUNT, DIMENSION))
        space = LabelSpace(
            image_ids=np.arange(COUNT),
            vectors=drawn_to_neighbours(principal_axes(vectors.astype(np.float16))),
            fingerprint="made up",
        )
        self.session = LabelSession(dataset=heap, space=space)
        self.seconds: dict[str, list[float]] = {}

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        """Do something that the page does; of the computer's time, whatever else it has to do."""
        started = time.process_time()
        found = work()
        self.seconds.setdefault(name, []).append(time.process_time() - started)
        return found

    def give(self, image_ids: Iterable[int], picked: dict[int, str]) -> None:
        """Give these photos their labels."""
        labels = {int(image_id): f"class {self.truth[image_id]}" for image_id in image_ids}
        before = self.session
        after = self.timed("kept", lambda: give_labels(before.dataset, labels, picked=picked))
        self.session = LabelSession(dataset=after, space=before.space)

    def label_page(self) -> None:
        """Confirm a page, and look at what is drawn beside it."""
        session = self.session
        page = self.timed("page", lambda: session.page(PAGE))
        self.timed("estimate, curve", lambda: (session.estimate, session.curve()))
        self.timed("sure", lambda: session.sure(0.9))
        self.give(page["image_id"], dict(zip(page["image_id"], page["picked"], strict=True)))


def test_a_page_of_20000_photos_takes_two_seconds_at_most_and_memory_stays_flat(heap):
    person = Person(heap)
    groups = person.timed("groups", lambda: person.session.groups(12))
    person.give(np.concatenate([group.positions[:3] for group in groups]), {})
    for _ in range(PAGES):
        person.label_page()
    held = []
    tracemalloc.start()
    for _ in range(3):
        person.label_page()
        held.append(tracemalloc.get_traced_memory()[0] / 2**20)
    tracemalloc.stop()
    longest = {name: max(found[: PAGES + 1]) for name, found in person.seconds.items()}
    print({name: f"{found:.2f} s" for name, found in longest.items()})
    print("memory added by each of three pages:", np.diff([0, *held]).round(1), "MB")
    assert held[-1] - held[0] < MOST_MB
    assert longest["groups"] < MOST_SECONDS
    # What is done from one page to the next.
    assert sum(longest[name] for name in ("page", "estimate, curve", "kept")) < MOST_SECONDS
    assert longest["sure"] + longest["kept"] < MOST_SECONDS
