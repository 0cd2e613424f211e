"""The memory of a training, with more and more images, and what a large set costs from its import on."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from benchmarks._pages import new_session, served
from benchmarks._rows import Row
from benchmarks._setting import MissingData, Setting
from vitcore.dataset import Dataset, import_dataset, list_datasets, load_dataset, relabel, view_key
from vitcore.features import FeatureStore
from vitcore.workspace import Workspace

__all__ = ["large_set", "memory"]

COUNTS = (1_000, 10_000, 50_000)
LARGE = 30_000  # images
_CLASSES = 10
_SIDE = 16  # pixels
_AT_ONCE = 1000  # vectors that are made
_SEPARATION = 0.05  # of the centres of the classes in each dimension, in deviations within a class
_COPIES = 100  # one image in so many is taken for one before it, until their pixels are compared
_KIBIBYTE = 1 if sys.platform == "darwin" else 1024  # what the kernel counts peak memory in

_Result = TypeVar("_Result")

# A process begins with the peak memory of the one that starts it, so a small one starts the training.
_LAUNCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime)
"""


def memory(setting: Setting) -> list[Row]:
    """Peak resident memory of a whole training on 10,000 and 50,000 images, compared to 1,000.

    With the default settings, in a process of its own: what `resource.getrusage` gives as ``ru_maxrss``,
    which counts mapped files as well. The images are small and all different. Their embeddings are random
    ones of the right length around a centre for each class, put into the store beforehand, for tens of
    thousands of forward passes take hours without a graphics card. So the pass through the backbone is no
    part of these figures; it holds three batches of decoded images, whatever the number of images, and the
    network. All that follows it is: near-duplicates, training, judging by folds, and the files of the run.

    Raises:
        MissingData: The system does not tell the peak memory of a process (Windows).
    """
    _check_system()
    peaks = {count: _peak_mb(setting, count) for count in COUNTS}
    least, *more = COUNTS
    return [
        Row(name=f"memory, {count:,} images", value=peaks[count], unit="MB", baseline=peaks[least])
        for count in more
    ]


def large_set(setting: Setting) -> list[Row]:
    """Seconds of CPU time, and peak memory, of 30,000 images: import, page Dataset, an edit, training.

    Import and training are commands, in processes of their own. The page is the first that a server draws,
    which makes its small pictures, and the same after one image was moved to another class. Images and
    embeddings are those of `memory`.

    Raises:
        MissingData: The system does not tell the peak memory of a process (Windows).
    """
    _check_system()
    workspace = setting.workspace()
    pictures = _pictures(setting.folder() / "pictures", LARGE)
    imported = _command(workspace, "import", str(pictures))
    dataset = load_dataset(list_datasets(workspace)["id"].iloc[0], workspace=workspace)
    _embed(setting, dataset, workspace)
    image, label = dataset.index[["image_id", "label"]].iloc[0]
    other = next(name for name in dataset.classes if name != label)
    with served(workspace):
        first, app = _cpu_s(new_session)
        edit, _ = _cpu_s(lambda: relabel(dataset, [int(image)], other))
        again, _ = _cpu_s(app.run)
        if app.exception:
            raise RuntimeError(f"The page fails: {app.exception[0].message}")
    pages = {"page Dataset, first": first, "an image to another class": edit, "page after that": again}
    return [
        *_figures("import", *imported),
        *(Row(name=f"large-set: {name}", value=value, unit="s of CPU") for name, value in pages.items()),
        *_figures("training", *_train(setting, dataset, workspace)),
    ]


def _figures(name: str, cpu_s: float, peak_mb: float) -> list[Row]:
    return [
        Row(name=f"large-set: {name}", value=cpu_s, unit="s of CPU"),
        Row(name=f"large-set: {name}, peak memory", value=peak_mb, unit="MB"),
    ]


def _cpu_s(work: Callable[[], _Result]) -> tuple[float, _Result]:
    """Do something: its seconds of CPU time in all threads, and what it gives back."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def _check_system() -> None:
    if find_spec("resource") is None:
        raise MissingData("it needs a system that tells the peak memory of a process")


def _peak_mb(setting: Setting, count: int) -> float:
    workspace = setting.workspace()
    dataset = import_dataset(_pictures(setting.folder() / "pictures", count), workspace=workspace)
    _embed(setting, dataset, workspace)
    started = time.perf_counter()
    _, peak_mb = _train(setting, dataset, workspace)
    setting.say(f"  memory: {count:,} images, {peak_mb:.0f} MB, {time.perf_counter() - started:.0f} s")
    return peak_mb


def _train(setting: Setting, dataset: Dataset, workspace: Workspace) -> tuple[float, float]:
    return _command(workspace, "train", dataset.id, "--backbone", setting.backbone, "--engine", "torch")


def _command(workspace: Workspace, *arguments: str) -> tuple[float, float]:
    """Run a command in a process of its own: its seconds of CPU time, and its peak memory in MB."""
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-c", _LAUNCHER, sys.executable, "-m", "vitcore", *arguments],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "VITCORE_HOME": str(workspace.root)},
        capture_output=True,
        text=True,
        check=True,
    )
    peak, cpu_s = done.stdout.split()
    return float(cpu_s), int(peak) * _KIBIBYTE / 1e6


def _pictures(root: Path, count: int) -> Path:
    """A folder of class folders with small pictures of noise."""
    random = np.random.default_rng(0)
    for number in range(_CLASSES):
        (root / f"class {number}").mkdir(parents=True)
    for number in range(count):
        pixels = random.integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"class {number % _CLASSES}" / f"{number:06}.bmp")
    return root


def _embed(setting: Setting, dataset: Dataset, workspace: Workspace) -> None:
    """Put vectors for all images into the store, as if they had gone through the backbone."""
    embedder = setting.embedder(workspace)
    store = FeatureStore.of(embedder)
    random = np.random.default_rng(0)
    labels = dataset.index["label"].astype("category").cat.codes.to_numpy()
    centres = _SEPARATION * random.standard_normal((_CLASSES, embedder.dimension), dtype=np.float32)
    for start in range(0, len(labels), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        vectors = centres[labels[part]]
        vectors += random.standard_normal(vectors.shape, dtype=np.float32)
        copies = np.arange(_COPIES, len(vectors), _COPIES)
        vectors[copies] = vectors[copies - 1]
        store.write([(sha256, view_key(0, ())) for sha256 in dataset.index["sha256"][part]], vectors)
