"""The images that one head learns from, standardised and turned into the axes that suit them."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from vitcore.training._checkpoint import data_digest
from vitcore.training._discriminant import MOST_AXES, Axes, fit_discriminant
from vitcore.training._hyperparameters import Hyperparameters
from vitcore.training._inputs import Inputs, held_inputs, inputs_of, turned_inputs
from vitcore.training._steps import moments
from vitcore.vectors import Vectors

__all__ = ["FitData", "new_fit_data", "width_for"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_TURNED_ROWS = 4096  # embeddings that are turned into whitened axes, and then held in memory; 16 MB


@dataclass(frozen=True, eq=False)
class FitData:
    """The images that one head learns from and is evaluated on; the embeddings are standardised.

    Attributes:
        x: (N · V, R), the views of an image after each other, in the axes if there are any.
        labels: (N · V,).
        x_validation: (M, R).
        validation_labels: (M,).
        standard_validation: (M, D), the same in the axes of the embeddings.
        mean: (D,), what they were standardised by.
        std: (D,).
        seed: Of all that is random.
        axes: R axes that the embeddings were turned into; None if they were not, and R is D.
        aim: Weight (C, R) and bias (C,) of the head that the weights are drawn to; None for zeros.
    """

    x: Inputs
    labels: Ints
    x_validation: Inputs
    validation_labels: Ints
    standard_validation: Inputs
    mean: Floats
    std: Floats
    seed: int
    axes: Axes | None = None
    aim: tuple[torch.Tensor, torch.Tensor] | None = None

    def digest(self) -> str:
        """Of the data; mean and deviation stand for the embeddings learned from, which may be large."""
        return data_digest(self.mean, self.std, self.labels, self.standard_validation, self.validation_labels)


def new_fit_data(
    training: tuple[Vectors, Ints],
    validation: tuple[Vectors, Ints],
    *,
    classes: int,
    h: Hyperparameters,
    seed: int,
    device: str,
    width: int | None = None,
) -> FitData:
    """Standardise by the training part, turn into its axes, and find what the head is drawn to.

    Of many embeddings the axes are left as they are: what is turned is held in memory.

    Args:
        training: Embeddings (N, V, D) and class numbers (N,).
        validation: Embeddings (M, D) and class numbers (M,).
        classes: Number of classes C.
        h: How to train.
        seed: Of all that is random.
        device: Where to compute.
        width: Number of axes, as `width_for` gives it for all heads that are trained side by side.
    """
    vectors, labels = training
    mean, std = moments(vectors)
    labels = np.repeat(labels, vectors.shape[1])
    x = inputs_of(vectors, mean, std, device)
    judged = inputs_of(validation[0], mean, std, device)
    part = FitData(
        x=x,
        labels=labels,
        x_validation=judged,
        validation_labels=validation[1],
        standard_validation=judged,
        mean=mean,
        std=std,
        seed=seed,
    )
    if h.optimizer == "lbfgs":
        return part
    found = fit_discriminant(x, labels, classes, balanced=h.balance != "none", width=width or 0)
    if width is None:
        return replace(part, aim=(found.axes.folded(found.weight), found.bias))
    turn = found.axes.turned
    return replace(
        part,
        x=turned_inputs(x, turn) if found.turned is None else held_inputs(found.turned, x.part_rows),
        x_validation=turned_inputs(judged, turn),
        axes=found.axes,
        aim=(found.weight, found.bias),
    )


def width_for(vectors: Vectors, most: int, classes: int) -> int | None:
    """Return the number of axes for heads that learn from so many images at most; None for those there are.

    Fewer embeddings than dimensions span no more axes than they are.
    """
    rows = most * vectors.shape[1]
    return min(rows, vectors.shape[2], max(MOST_AXES, classes)) if rows <= _TURNED_ROWS else None
