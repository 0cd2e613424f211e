"""What stands in the ``config.json`` of a classifier."""

import json
from dataclasses import dataclass
from pathlib import Path

from vitcore.backbone import BackboneSpec
from vitcore.errors import InputError, StorageError
from vitcore.evaluation import DoubtRule
from vitcore.messages import mark
from vitcore.records import guard, record_of, save_record
from vitcore.text import class_name

__all__ = ["TRAIN_AGAIN", "ModelBackbone", "ModelConfig", "TrustRecord"]

TRAIN_AGAIN = mark("train again")
"""The next step where a classifier is damaged."""

_FILE = "config.json"
_FORMAT = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class TrustRecord:
    """What is kept of a `Trust` besides its references.

    Attributes:
        temperature: What logits are divided by (`vitcore.evaluation.fit_temperature`).
        rule: When to say "not sure", at every level.
        level: The one that was chosen, 0 (answers everything) … 1 (only what is beyond doubt).
    """

    temperature: float
    rule: DoubtRule
    level: float

    def __post_init__(self) -> None:
        """Refuse a level that there is not.

        Raises:
            InputError: It is not from 0 to 1.
        """
        self.rule.at(self.level)


@dataclass(frozen=True, kw_only=True)
class ModelBackbone(BackboneSpec):
    """The backbone of a classifier, with the digest of its weights."""

    weights_sha256: str


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelConfig:
    """What a classifier is made of, besides its arrays.

    Attributes:
        format: Of the folder.
        classes: C names, the order of the head's outputs.
        trust: How far its answers can be trusted.
        precision: That it was trained with.
        engine: What computed then.
        backbone: What makes the embeddings.
    """

    format: int = _FORMAT
    classes: tuple[str, ...]
    trust: TrustRecord
    precision: str
    engine: str = "torch"
    backbone: ModelBackbone

    def __post_init__(self) -> None:
        """Give the classes their names by the rule.

        Raises:
            InputError: A class has none, or two have the same.
        """
        names = tuple(map(class_name, self.classes))
        if not all(names) or len(set(names)) < len(names):
            raise InputError("the names of its classes are empty or not all different")
        object.__setattr__(self, "classes", names)

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
