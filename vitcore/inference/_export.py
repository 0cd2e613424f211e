"""Classifiers handed on: the files, and how far what is handed on agrees with the original."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vitcore.errors import BackboneError
from vitcore.inference._config import HEAD, REFERENCES, ModelConfig

__all__ = ["LARGEST_DIFFERENCE", "LEAST_SAME_LABELS", "Agreement", "copy_classifier", "measure_agreement"]

LARGEST_DIFFERENCE = 1e-3
"""Of a probability, between a run and its export in the same precision."""

LEAST_SAME_LABELS = 0.95
"""Share of the labels that a less exact export has to get like the run."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The agreement of an export, or another precision, with the run on photos kept from training.

    Attributes:
        kind: ``model`` (the folder), ``onnx``, ``onnx int8``, or ``bf16`` (the folder, computing in that).
        images: Number of photos compared.
        same_labels: Share of them that get the same label, 0 … 1.
        largest_difference: Of a probability, of any class of any photo.
        mean_difference: Of a probability.
        seconds_per_image: On this machine, decoding included.
        offered: Whether it agrees well enough to be handed on.
    """

    kind: str
    images: int
    same_labels: float
    largest_difference: float
    mean_difference: float
    seconds_per_image: float
    offered: bool


def measure_agreement(
    kind: str,
    labels: npt.NDArray[np.int64],
    expected: npt.NDArray[np.floating],
    found: npt.NDArray[np.floating],
    *,
    seconds: float,
    exact: bool,
) -> Agreement:
    """Measure how far probabilities agree with those of the run.

    Args:
        kind: As in `Agreement`.
        labels: (N,), class numbers that the run predicted.
        expected: (N, C), the run's probabilities.
        found: (N, C), those of the export.
        seconds: What the N photos took.
        exact: Whether it has to be the same but for rounding, or may differ somewhat.
    """
    apart = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    same = float((found.argmax(axis=1) == labels).mean())
    # Written so that what is no number is not offered.
    fits = same >= LEAST_SAME_LABELS and bool(np.isfinite(found).all())
    if exact:
        fits = same == 1.0 and float(apart.max()) <= LARGEST_DIFFERENCE
    return Agreement(
        kind=kind,
        images=len(labels),
        same_labels=same,
        largest_difference=float(np.nan_to_num(apart, nan=1.0).max()),
        mean_difference=float(np.nan_to_num(apart, nan=1.0).mean()),
        seconds_per_image=seconds / len(labels),
        offered=fits,
    )


def copy_classifier(source: Path, folder: Path) -> None:
    """Copy the classifier of a run into a folder that works on other machines too.

    Weights that came from a file of one's own go along, for nobody else could get them.

    Args:
        source: The run's ``model`` folder.
        folder: Is there already.

    Raises:
        BackboneError: That file is gone.
        StorageError: The classifier is damaged.
    """
    config = ModelConfig.load(source)
    weights = Path(config.backbone.id) if config.backbone.source == "file" else None
    for name in (HEAD, REFERENCES):
        shutil.copyfile(source / name, folder / name)
    if weights is not None:
        if not weights.is_file():
            raise BackboneError(
                "There is no weights file {weights} any more; bring it back, then export.", weights=weights
            )
        shutil.copyfile(weights, folder / weights.name)
        config = replace(config, backbone=replace(config.backbone, id=weights.name))
    config.save(folder)
