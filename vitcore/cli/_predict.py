"""The command that predicts."""

import argparse
import csv
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vitcore.cli._output import answer
from vitcore.cli._settings import DEVICE, Add, open_workspace
from vitcore.errors import Stopped, VitcoreError

__all__ = ["add_commands"]


def add_commands(add: Add) -> None:
    """Add these commands to the command line."""
    sub = add("predict", _predict, "Predict the classes of images.")
    sub.add_argument("model", metavar="RUN_ID|MODEL_FOLDER")
    sub.add_argument("paths", metavar="PATH", nargs="+", help="image files, or folders of them")
    sub.add_argument("--csv", metavar="FILE", help="write the predictions to a CSV file")
    sub.add_argument("--device", **DEVICE)


def _predict(options: argparse.Namespace, stop: threading.Event) -> None:
    from vitcore.inference import Refusal, load_classifier

    folder = Path(options.model)
    if not folder.is_dir():
        workspace = open_workspace()
        folder = workspace.find(workspace.runs, options.model, "run or model folder")
    classifier = load_classifier(folder, device=options.device)
    predictions: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    with _csv_rows(options.csv, classifier.classes) as rows:
        for source, result in classifier.predict_each(_files(options.paths)):
            path = str(source).encode("utf-8", "replace").decode("utf-8")  # names may be any bytes
            if isinstance(result, Refusal):
                skipped.append({"path": path, "reason": result.reason})
            else:
                row = {
                    "path": path,
                    "label": result.label,
                    "confidence": result.confidence,
                    "sure": result.sure,
                    "reason": result.reason,
                    "probabilities": result.probabilities,
                }
                if options.json:
                    predictions.append(row)
                elif options.csv is None:
                    doubt = "" if result.sure else "  (not sure)"
                    print(f"{path}: {result.label} {result.confidence:.1%}{doubt}")
                rows.write(row)
            if stop.is_set():
                raise Stopped("Stopped; what was predicted so far is written.")
    for item in skipped:
        print(f"skipped {item['path']}: {item['reason']}", file=sys.stderr)
    if options.json:
        answer(options, {"predictions": predictions, "skipped": skipped}, "")


def _files(paths: Sequence[str]) -> Iterator[Path]:
    """The files to predict: folders are walked, every file in them that is not hidden."""
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        else:
            yield path


class _Rows:
    """Rows of a CSV file, written as they come."""

    def __init__(self, writer: Any, classes: Sequence[str]) -> None:
        self._writer = writer
        self._classes = classes
        if writer is not None:
            writer.writerow(["path", "label", "confidence", "sure", *classes])

    def write(self, row: dict[str, Any]) -> None:
        if self._writer is not None:
            probabilities = [f"{row['probabilities'][label]:.6g}" for label in self._classes]
            first = [row["path"], row["label"], f"{row['confidence']:.6g}", "yes" if row["sure"] else "no"]
            self._writer.writerow([*first, *probabilities])


@contextmanager
def _csv_rows(path: str | None, classes: Sequence[str]) -> Iterator[_Rows]:
    if path is None:
        yield _Rows(None, classes)
        return
    try:
        file = Path(path).open("w", newline="", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise VitcoreError(f"{path} cannot be written ({error.strerror}); give another file.") from error
    with file:
        yield _Rows(csv.writer(file), classes)
