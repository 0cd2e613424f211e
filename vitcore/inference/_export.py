"""Classifiers handed on: the files, and how far what is handed on agrees with the original."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vitcore.errors import BackboneError
from vitcore.inference._config import HEAD, REFERENCES, ModelConfig

__all__ = ["Agreement", "copy_classifier", "measure_agreement"]

_LARGEST_DIFFERENCE = 1e-3  # of a probability, between a run and its export in the same precision
_LARGEST_IF_LESS_EXACT = 0.1  # else
_LEAST_SAME_LABELS = {"onnx fp16": 0.99}  # share of the labels that a less exact export gets like the run
_LEAST_IN_8_BITS = 0.97  # of the others, bf16 included


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The agreement of an export, or another precision, with the run on photos kept from training.

    Attributes:
        kind: ``model`` (the folder), ``onnx``, ``onnx int8``, or ``bf16`` (the folder, computing in that).
        images: Number of photos compared.
        changed: How many of them are changed copies of others: in grey, partly transparent, turned, darker.
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
    changed: int = 0


def measure_agreement(
    kind: str,
    labels: npt.NDArray[np.int64],
    expected: npt.NDArray[np.floating],
    found: npt.NDArray[np.floating],
    *,
    seconds: float,
    exact: bool,
    changed: int = 0,
) -> Agreement:
    """Measure how far probabilities agree with those of the run.

    Args:
        kind: As in `Agreement`.
        labels: (N,), class numbers that the run predicted.
        expected: (N, C), the run's probabilities.
        found: (N, C), those of the export.
        seconds: What the N photos took.
        exact: Whether it has to be the same but for rounding, or may differ somewhat.
        changed: How many of the photos are changed copies.
    """
    apart = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    same = float((found.argmax(axis=1) == labels).mean())
    least, most = _LEAST_SAME_LABELS.get(kind, _LEAST_IN_8_BITS), _LARGEST_IF_LESS_EXACT
    if exact:
        least, most = 1.0, _LARGEST_DIFFERENCE
    fits = same >= least and float(apart.max()) <= most  # which what is no number is not
    return Agreement(
        kind=kind,
        images=len(labels),
        same_labels=same,
        largest_difference=float(np.nan_to_num(apart, nan=1.0).max()),
        mean_difference=float(np.nan_to_num(apart, nan=1.0).mean()),
        seconds_per_image=seconds / len(labels),
        offered=fits,
        changed=changed,
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
