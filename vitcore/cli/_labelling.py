"""The command that labels photos: it says which to look at next, and takes their labels."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitcore.cli._output import answer
from vitcore.cli._settings import Add, add_compute, compute_of, open_workspace
from vitcore.dataset import Dataset, load_dataset
from vitcore.errors import DatasetError
from vitcore.messages import shortened
from vitcore.progress import Task

if TYPE_CHECKING:  # these take long to import
    from vitcore.pipeline import LabelSession

__all__ = ["add_commands"]

_ID, _LABEL = "image_id", "label"
_SHOWN = 5  # lines that are wrong


def add_commands(add: Add) -> None:
    """Add this command to the command line."""
    sub = add("label", _label, "Say which photos to label next, or take their labels.")
    sub.add_argument("dataset_id", metavar="DATASET_ID")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--suggest", type=int, metavar="N", help="the N photos that teach most, with a guess each"
    )
    what.add_argument("--apply", metavar="FILE.csv", help="a table of labels: image_id,label")
    add_compute(sub)


def _label(options: argparse.Namespace, task: Task) -> None:
    dataset = load_dataset(options.dataset_id, workspace=open_workspace())
    if options.apply is not None:
        _apply(options, dataset)
    else:
        _suggest(options, dataset, task)


def _suggest(options: argparse.Namespace, dataset: Dataset, task: Task) -> None:
    from vitcore.pipeline import LabelSession, embed_for_labelling, remember_picks

    if options.suggest < 1:
        raise DatasetError("--suggest is {count}; give 1 or more.", count=options.suggest)
    workspace = open_workspace()
    space = embed_for_labelling(dataset, compute=compute_of(options), workspace=workspace, task=task)
    session = LabelSession(dataset=dataset, space=space)
    page = session.page(options.suggest)
    remember_picks(dataset, page)
    photos = [
        {
            "image_id": row.image_id,
            "path": row.name,
            "file": str(dataset.path(str(row.file))),
            "guess": row.guess,
            "confidence": row.confidence,
            "picked": row.picked,
        }
        for row in page.itertuples(index=False)
    ]
    lines = ["\t".join(str(photo[name]) for name in ("image_id", "path", "guess")) for photo in photos]
    value = {**_counts(dataset), "photos": photos, "estimate": _estimate(session)}
    answer(options, value, "\n".join([_summary(dataset), *lines]))


def _estimate(session: "LabelSession") -> dict[str, Any] | None:
    """Return how good the guesses are by now; None while that cannot be said."""
    found = session.estimate
    if found is None:
        return None
    return {
        "accuracy": found.accuracy,
        "low": found.low,
        "high": found.high,
        "labels": found.labels,
        "at_random": found.at_random,
    }


def _apply(options: argparse.Namespace, dataset: Dataset) -> None:
    from vitcore.pipeline import give_labels

    labels = _read_labels(Path(options.apply))
    dataset = give_labels(dataset, labels)
    value = {**_counts(dataset), "applied": len(labels)}
    answer(options, value, f"{dataset.changes[-1].text} {_summary(dataset)}")


def _read_labels(path: Path) -> dict[int, str]:
    """Read a table of labels; a row without a label is left as it is.

    Raises:
        DatasetError: The file cannot be read, has not these columns, or a row is wrong.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DatasetError(
            "The labels cannot be read from {file} ({error}); give a CSV file with the columns image_id and "
            "label.",
            file=path,
            error=" ".join(str(error).split()),
        ) from error
    if not {_ID, _LABEL} <= set(table):
        raise DatasetError(
            "{file} has the columns {found}; it needs image_id and label.",
            file=path,
            found=shortened(list(table), 10),
        )
    numbers = table[_ID].str.strip()
    wrong = numbers[~numbers.str.fullmatch(r"\d{1,18}")].tolist()
    if wrong:
        raise DatasetError(
            "{file} has image_ids that are no numbers ({wrong}); take them from 'label --suggest'.",
            file=path,
            wrong=shortened(wrong, _SHOWN),
        )
    given = table.assign(**{_ID: numbers.astype("int64")})[table[_LABEL].str.strip() != ""]
    labels = dict(zip(given[_ID].tolist(), given[_LABEL].tolist(), strict=True))
    several = given[given[_LABEL] != given[_ID].map(labels)][_ID].astype(str).tolist()
    if several:
        raise DatasetError(
            "{file} gives two labels to one photo (image_id {several}); keep one.",
            file=path,
            several=shortened(several, _SHOWN),
        )
    return labels


def _counts(dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset_id": dataset.id,
        "version": dataset.version,
        "classes": dataset.class_counts,
        "labelled": len(dataset.index),
        "unlabelled": len(dataset.unlabelled),
        "machine_labelled": len(dataset.machine_labelled),
    }


def _summary(dataset: Dataset) -> str:
    return (
        f"Dataset {dataset.id} '{dataset.name}': {len(dataset.index)} photos have a label by people, "
        f"{len(dataset.machine_labelled)} one by a classifier, {len(dataset.unlabelled)} none."
    )
