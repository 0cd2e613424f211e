"""Provenance of labels: each is imported, a person's, or a machine's; a photo may have none yet."""

from collections.abc import Iterator
from typing import Literal

import pandas as pd

from vitcore.messages import Message, counted

__all__ = [
    "IMPORTED",
    "MACHINE",
    "PERSON",
    "LabelledBy",
    "about_unlabelled",
    "labelled_by_people",
    "with_provenance",
]

LabelledBy = Literal["imported", "person", "machine"]

IMPORTED: LabelledBy = "imported"
PERSON: LabelledBy = "person"
MACHINE: LabelledBy = "machine"


def labelled_by_people(rows: pd.DataFrame) -> pd.Series:
    """Mark the rows whose label may teach and judge: there is one, and no machine gave it."""
    return (rows["label"] != "") & (rows["labelled_by"] != MACHINE)


def with_provenance(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the provenance of their labels: imported where nothing else is noted."""
    there = rows["label"] != ""
    found = pd.Series(IMPORTED, index=rows.index) if "labelled_by" not in rows else rows["labelled_by"]
    detail = pd.Series("", index=rows.index) if "label_detail" not in rows else rows["label_detail"]
    confidence = (
        pd.Series(1.0, index=rows.index) if "label_confidence" not in rows else rows["label_confidence"]
    )
    return rows.assign(
        labelled_by=found.fillna(IMPORTED).where(there, ""),
        label_detail=detail.fillna("").where(there, ""),
        label_confidence=confidence.fillna(1.0).where(there, 0.0),
    )


def about_unlabelled(unlabelled: int, by_machine: int) -> Iterator[Message]:
    """Yield what to know of the photos that take no part in training and figures.

    Args:
        unlabelled: How many have no label.
        by_machine: How many have one by a machine.
    """
    if unlabelled:
        yield counted(
            "{count} photo has no label yet; it takes no part in training and figures.",
            "{count} photos have no label yet; they take no part in training and figures.",
            unlabelled,
        )
    if by_machine:
        yield counted(
            "{count} photo has a label by a classifier; it takes no part in training and figures.",
            "{count} photos have a label by a classifier; they take no part in training and figures.",
            by_machine,
        )
