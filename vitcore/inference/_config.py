"""The ``config.json`` of a classifier."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitcore.backbone import BackboneSpec
from vitcore.compute import Compute
from vitcore.errors import InputError, StorageError
from vitcore.evaluation import DoubtRule
from vitcore.messages import mark, message
from vitcore.records import guard, record_of, save_record
from vitcore.text import MAX_CLASS_NAME, class_name

__all__ = [
    "HEAD",
    "REFERENCES",
    "TRAIN_AGAIN",
    "ModelBackbone",
    "ModelConfig",
    "TrustRecord",
    "check_digests",
    "digests_of",
]

HEAD, REFERENCES = "head.safetensors", "references.safetensors"
"""Names of the files with the arrays of a classifier."""

TRAIN_AGAIN = mark("train again")
"""The next step where a classifier is damaged."""

_FILE = "config.json"
_FORMAT = 2
_COLDEST, _HOTTEST = 1e-3, 1e3  # a wide margin around those that are fitted


@dataclass(frozen=True, eq=False, kw_only=True)
class TrustRecord:
    """The record of a `Trust`, without its references.

    Attributes:
        temperature: What logits are divided by (`vitcore.evaluation.fit_temperature`).
        rule: When to say "not sure", at every level.
        level: The one that was chosen, 0 (answers everything) … 1 (only what is beyond doubt).
    """

    temperature: float
    rule: DoubtRule
    level: float

    def __post_init__(self) -> None:
        """Refuse a level that there is not, and a temperature that turns answers round.

        Raises:
            InputError: The level is not from 0 to 1, or the temperature not above 0, or beyond all bounds.
        """
        self.rule.at(self.level)
        if not _COLDEST <= self.temperature <= _HOTTEST:  # also what is no number
            raise InputError(
                "The temperature is {temperature}; give {lowest} to {highest}.",
                temperature=self.temperature,
                lowest=_COLDEST,
                highest=_HOTTEST,
            )


@dataclass(frozen=True, kw_only=True)
class ModelBackbone(BackboneSpec):
    """The backbone of a classifier, with the digest of its weights."""

    weights_sha256: str


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelConfig:
    """The description of a classifier, without its arrays.

    Attributes:
        format: Of the folder.
        classes: C names, the order of the head's outputs.
        trust: How far its answers can be trusted.
        precision: That it was trained with.
        engine: What computed then.
        backbone: What makes the embeddings.
        digests: SHA-256 of the files with the arrays, by name; empty in folders of earlier versions.
    """

    format: int = _FORMAT
    classes: tuple[str, ...]
    trust: TrustRecord
    precision: str
    engine: str = "torch"
    backbone: ModelBackbone
    digests: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Give the classes their names by the rule.

        Raises:
            InputError: A class has none, or two have the same.
            DeviceError: Nothing computes in that precision.
        """
        Compute(precision=self.precision, engine=self.engine)
        names = tuple(map(class_name, self.classes))
        if any(len(name) > MAX_CLASS_NAME for name in names):
            raise InputError("the name of a class is longer than {most} characters", most=MAX_CLASS_NAME)
        if not all(names) or len(set(names)) < len(names):
            raise InputError("the names of its classes are empty or not all different")
        object.__setattr__(self, "classes", names)

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """Bring values of earlier versions to this form."""
        return {**values, "backbone": BackboneSpec.upgraded(values["backbone"])}

    def save(self, folder: Path) -> None:
        """Write it into the folder of a classifier, in one step."""
        save_record(folder / _FILE, self)

    @staticmethod
    def load(folder: Path) -> "ModelConfig":
        """Read that of a folder.

        Raises:
            StorageError: Missing, damaged, or of another version.
        """
        with guard(folder / _FILE, TRAIN_AGAIN):
            values = json.loads((folder / _FILE).read_bytes())
            if isinstance(values, dict) and values.get("format") == _FORMAT:
                return record_of(ModelConfig, values)
        raise StorageError(
            "The classifier in {folder} is damaged or of another version of ViT Studio; train again.",
            folder=folder,
        )


def digests_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the files with the arrays of a classifier, by name."""
    digests = {}
    for name in (HEAD, REFERENCES):
        with (folder / name).open("rb") as file:
            digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def check_digests(folder: Path, config: ModelConfig) -> None:
    """Refuse arrays that are not those that were saved.

    Raises:
        StorageError: A file is missing, or was changed since.
    """
    if not config.digests:  # of an earlier version
        return
    with guard(folder, TRAIN_AGAIN):
        for name, digest in digests_of(folder).items():
            if digest != config.digests.get(name):
                raise ValueError(message("{file} is not what was saved", file=name))
