"""Trust in the answers of a classifier: temperature, rule of doubt and references."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from vitcore.errors import InputError, StorageError
from vitcore.evaluation import DoubtRule, Verdicts, novelty, scaled_probabilities
from vitcore.vectors import Vectors

__all__ = ["USUAL_LEVEL", "Trust"]

USUAL_LEVEL = 0.5
"""Of doubt, where nobody chose another."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Trust:
    """Honest probabilities, and when to say "not sure".

    Attributes:
        temperature: What logits are divided by (`vitcore.evaluation.fit_temperature`).
        rule: When to say "not sure", at every level.
        level: The one that was chosen, 0 (answers everything) … 1 (only what is beyond doubt).
        references: (R, D), embeddings of images that were learned from; what is far from all of them is
            unlike anything seen.
    """

    temperature: float
    rule: DoubtRule
    level: float
    references: npt.NDArray[np.float16]

    def __post_init__(self) -> None:
        """Refuse a level that there is not.

        Raises:
            InputError: It is not from 0 to 1.
        """
        self.rule.at(self.level)

    def probabilities(self, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Of each class: (N, C) -> (N, C), rows adding up to 1."""
        return scaled_probabilities(logits, self.temperature)

    def distances(self, embeddings: Vectors) -> npt.NDArray[np.float64]:
        """Return the novelty of embeddings: (N, D) -> (N,), cosine distance, 0 … 2."""
        return novelty(embeddings, self.references)

    def verdicts(
        self, probabilities: npt.NDArray[np.float64], distances: npt.NDArray[np.float64]
    ) -> Verdicts:
        """Return the images to answer, and why the others not: (N, C), (N,)."""
        return self.rule.judge(probabilities, distances, self.level)

    def at(self, level: float) -> Self:
        """The same at another level."""
        return replace(self, level=level)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the references; what remains, for the config beside them."""
        file = folder / "references.safetensors"
        safetensors.numpy.save_file({"vectors": np.ascontiguousarray(self.references)}, file)
        return self.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: all but the references."""
        return {"temperature": self.temperature, "level": self.level, "rule": self.rule.to_dict()}

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Self:
        """Read what `save` wrote.

        Raises:
            StorageError: Missing or damaged.
        """
        try:
            references = safetensors.numpy.load_file(folder / "references.safetensors")["vectors"]
            return cls(
                temperature=float(config["temperature"]),
                rule=DoubtRule.from_dict(config["rule"]),
                level=float(config["level"]),
                references=references,
            )
        except (
            OSError,
            LookupError,
            TypeError,
            ValueError,
            InputError,
            safetensors.SafetensorError,
        ) as error:
            raise StorageError(
                "What {folder} knows of doubt is damaged or missing ({error}); train again.",
                folder=folder,
                error=error,
            ) from error
