"""Warnings on a run: what to know of its images before its figures are trusted."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from vitcore.dataset import Dataset, check_index, split_index
from vitcore.evaluation import Evaluation
from vitcore.messages import Message, mark, message, quoted, shortened
from vitcore.pipeline._material import TestPart, TrainingData
from vitcore.runs import CrossValidation

__all__ = ["warnings_on"]

_SHORTCUTS = {"format_tells", "size_tells"}
_FEW_GROUPS = 5
_MANY_ALIKE = 0.05  # of the images
_PARTS = {"validation": mark("validation"), "test": mark("test")}


def warnings_on(
    dataset: Dataset,
    data: TrainingData,
    part: TestPart | None,
    validation: Evaluation,
    crossed: CrossValidation | None,
) -> tuple[Message, ...]:
    """Return what to know of the images of a run before its figures are trusted, one sentence each.

    Args:
        dataset: What it learned from.
        data: The same, embedded and divided.
        part: Its test part, if it has one.
        validation: The figures on the validation images.
        crossed: Those of the cross-validation, if there was one.
    """
    found = [finding.sentence for finding in check_index(data.rows) if finding.kind in _SHORTCUTS]
    if dataset.series is not None:
        found.append(dataset.series.caution)
    if dataset.divided:
        found += _harder_validation(validation, crossed)
    return (
        *found,
        *_on_division(data),
        *_look_alikes(data),
        *_missing(dataset, "validation", data.rows.iloc[data.validation]),
        *([] if part is None else _missing(dataset, "test", part.rows)),
        *_few_groups(data),
    )


def _on_division(data: TrainingData) -> Iterator[Message]:
    """Say that the images were divided anew, or that a new division would judge by far more of them."""
    if data.redrawn:
        yield message(
            "The record of which photos are kept for validation was damaged, so all photos were divided "
            "anew. Some that judge this classifier may have been learned from before: do not compare its "
            "validation figures with those of earlier trainings."
        )
    h, images = data.hyperparameters, len(data.validation)
    if data.rows["split"].eq("validation").any() or 2 * images > h.validation_fraction * len(data.rows):
        return
    parts = split_index(data.rows, validation_fraction=h.validation_fraction, seed=h.seed, groups=data.groups)
    anew = int((parts == "validation").sum())
    if anew >= 2 * images:
        yield message(
            "Only {images} of {all} photos are left for validation, for photos keep the side that they had "
            "in earlier trainings. With another seed they are divided anew, about {anew} for validation.",
            images=images,
            all=len(data.rows),
            anew=anew,
        )


def _look_alikes(data: TrainingData) -> Iterator[Message]:
    """Say that many images are near-duplicates of another one, whatever rule groups the rest."""
    alone = (data.rows["group"] == "").to_numpy()
    sizes = np.unique(data.groups[alone], return_counts=True)[1]
    alike = int(sizes[sizes > 1].sum())
    if alike >= _MANY_ALIKE * len(data.rows):
        yield message(
            "{count} of {images} photos look just like another one. They were kept together, so that none "
            "is judged that was learned from; but they count as more photos than they are.",
            count=alike,
            images=len(data.rows),
        )


def _missing(dataset: Dataset, part: str, rows: pd.DataFrame) -> Iterator[Message]:
    """Say that a class has no image in a part that judges."""
    if missing := sorted(set(dataset.classes) - set(rows["label"])):
        yield message(
            "There is no {part} image of {classes}, so nothing is known of how well the classifier "
            "recognises them.",
            part=message(_PARTS[part]),
            classes=shortened(quoted(missing), 5),
        )


def _few_groups(data: TrainingData) -> Iterator[Message]:
    """Say that a class has so few groups that its figures hang on them."""
    counts = data.rows[data.rows["group"] != ""].groupby("label")["group"].nunique()
    if few := counts[counts < _FEW_GROUPS].index.tolist():
        yield message(
            "Of {classes} there are fewer than {few} groups, so their figures hang on chance; photos of "
            "more subjects help.",
            classes=shortened(quoted(few), 5),
            few=_FEW_GROUPS,
        )


def _harder_validation(validation: Evaluation, crossed: CrossValidation | None) -> Iterator[Message]:
    """Say that a ready-made validation part is harder than all images mixed."""
    if crossed is None or crossed.evaluation is None:
        return
    theirs, together = validation.metrics["accuracy"], crossed.evaluation.metrics["accuracy"]
    if theirs.high < together.low:
        yield message(
            "On the validation part that came with these images the accuracy is {theirs:.1%}, far below the "
            "{together:.1%} on all of them mixed. If new photos will be like that part, go by its figure.",
            theirs=theirs.value,
            together=together.value,
        )
