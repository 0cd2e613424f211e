"""The report of an import, as one table."""

import pandas as pd

from vitcore.dataset._dataset import Dataset
from vitcore.dataset._findings import count_images
from vitcore.messages import Message, message

__all__ = ["import_report"]


def import_report(dataset: Dataset) -> pd.DataFrame:
    """Every skipped file with its reason, every warning, the count of each class and each image size.

    Args:
        dataset: In any version.

    Returns:
        One row per statement; columns ``about`` (what kind of statement), ``what`` and ``detail``.
    """
    rows: list[tuple[str, str | Message, str | Message]]
    rows = [("skipped file", item.name, item.reason) for item in dataset.skipped]
    if dataset.ignored:
        files = message("{count} system files", count=dataset.ignored)
        rows.append(("ignored", files, message("left by an operating system or a tool")))
    rows += [("warning", warning, "") for warning in dataset.warnings]
    rows += [("class", label, count_images(count)) for label, count in dataset.class_counts.items()]
    if len(dataset.unlabelled):
        rows.append(("unlabelled", count_images(len(dataset.unlabelled)), message("waiting for a label")))
    if len(dataset.machine_labelled):
        by_machine = count_images(len(dataset.machine_labelled))
        rows.append(("labelled by a classifier", by_machine, message("neither learned from nor measured on")))
    rows += [("split", part, count_images(count)) for part, count in sorted(dataset.split_counts.items())]
    if len(dataset.excluded):
        taken_out = message("removed by hand; they can come back")
        rows.append(("removed", count_images(len(dataset.excluded)), taken_out))
    formats = dataset.index["format"].value_counts()
    rows += [("format", str(kind), count_images(count)) for kind, count in formats.items()]
    sizes = dataset.index[["width", "height"]].value_counts().reset_index()
    rows += [
        ("size in pixels", f"{width} × {height}", count_images(count))
        for width, height, count in sizes.to_numpy().tolist()
    ]
    rows += [
        ("change", message("version {number}", number=change.version), change.text)
        for change in dataset.changes
    ]
    return pd.DataFrame(rows, columns=["about", "what", "detail"])
