"""Figures of answers in use: the day, the class, the confidence and the distance, and nothing of the photos.

They are kept only with consent: where there is the file ``usage.jsonl`` in the folder of a run or a model.
"""

import json
import math
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.inference._classifier import Classifier, Prediction
from vitcore.records import guard, replacing

__all__ = ["forget_usage", "is_usage_kept", "keep_usage", "keeping_usage", "load_usage"]

_FILE = "usage.jsonl"
_COLUMNS = ["day", "label", "confidence", "novelty"]
_LARGEST_BYTES = 8 * 2**20  # about 100,000 answers; then the older half goes


def keep_usage(folder: Path) -> None:
    """Agree that figures are kept from now on."""
    with guard(folder):
        (folder / _FILE).touch()


def forget_usage(folder: Path) -> None:
    """Delete the figures, and keep none from now on."""
    with guard(folder):
        (folder / _FILE).unlink(missing_ok=True)


def is_usage_kept(folder: Path) -> bool:
    """Return whether somebody agreed."""
    return (folder / _FILE).is_file()


def keeping_usage(classifier: Classifier, folder: Path) -> Classifier:
    """Return a classifier that keeps figures of its answers, if somebody agreed; else the same."""
    return _Keeping(classifier, folder / _FILE) if is_usage_kept(folder) else classifier


def load_usage(folder: Path) -> pd.DataFrame:
    """Return the figures: day (ISO 8601), label, confidence, novelty; one row per answer, the newest last."""
    rows = []
    if is_usage_kept(folder):
        with guard(folder / _FILE), (folder / _FILE).open(encoding="utf-8") as file:
            rows = [row for row in map(_row, file) if row is not None]
    return pd.DataFrame(rows, columns=_COLUMNS)


class _Keeping(Classifier):
    """A classifier that notes the figures of its answers."""

    def __init__(self, classifier: Classifier, file: Path) -> None:
        super().__init__(classifier.head, classifier.embedder, classifier.classes, classifier.trust)
        self._file = file
        self._lock = threading.Lock()

    def from_embeddings(self, embeddings: npt.NDArray[np.floating]) -> list[Prediction]:
        found = super().from_embeddings(embeddings)
        day = datetime.now(UTC).date().isoformat()
        rows = [
            [day, answer.label, round(answer.confidence, 4), round(answer.novelty, 4)] for answer in found
        ]
        with self._lock:
            self._add(rows)
        return found

    def _add(self, rows: Sequence[Sequence[object]]) -> None:
        if not self._file.is_file():  # consent was withdrawn meanwhile
            return
        with guard(self._file):
            if self._file.stat().st_size > _LARGEST_BYTES:
                lines = self._file.read_text(encoding="utf-8").splitlines(keepends=True)
                with replacing(self._file) as temporary:
                    temporary.write_text("".join(lines[len(lines) // 2 :]), encoding="utf-8")
            with self._file.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _row(line: str) -> list[object] | None:
    """Return the figures of a line; None of one that a crash cut off."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    match row:
        case [str(), str(), float() | int() as confidence, float() | int() as novelty]:
            return row if math.isfinite(confidence) and math.isfinite(novelty) else None
    return None
