"""The report of an import, as one table."""

import pandas as pd

from vitcore.dataset._dataset import Dataset

__all__ = ["import_report"]


def import_report(dataset: Dataset) -> pd.DataFrame:
    """Every skipped file with its reason, every warning, the count of each class and each image size.

    Args:
        dataset: In any version.

    Returns:
        One row per statement; columns ``about`` (what kind of statement), ``what`` and ``detail``.
    """
    rows = [("skipped file", item.name, item.reason) for item in dataset.skipped]
    if dataset.ignored:
        rows.append(("ignored", f"{dataset.ignored} system files", "left by an operating system or a tool"))
    rows += [("warning", warning, "") for warning in dataset.warnings]
    rows += [("class", label, f"{count} images") for label, count in dataset.class_counts.items()]
    rows += [("split", part, f"{count} images") for part, count in sorted(dataset.split_counts.items())]
    if len(dataset.excluded):
        rows.append(("taken out", f"{len(dataset.excluded)} images", "taken out by hand; they can come back"))
    formats = dataset.index["format"].value_counts()
    rows += [("format", str(kind), f"{count} images") for kind, count in formats.items()]
    sizes = (dataset.index["width"].astype(str) + " × " + dataset.index["height"].astype(str)).value_counts()
    rows += [("size in pixels", str(size), f"{count} images") for size, count in sizes.items()]
    rows += [("change", f"version {change.version}", change.text) for change in dataset.changes]
    return pd.DataFrame(rows, columns=["about", "what", "detail"])
