"""Trust in the answers of a classifier: temperature, rule of doubt and references."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from vitcore.evaluation import NO_PROBES, Probes, Verdicts, novelty, scaled_probabilities
from vitcore.inference._config import REFERENCES, TRAIN_AGAIN, TrustRecord
from vitcore.messages import message
from vitcore.records import guard, replacing
from vitcore.vectors import Vectors

__all__ = ["USUAL_LEVEL", "Trust"]

USUAL_LEVEL = 0.5
"""Of doubt, where nobody chose another."""

_WEIGHTS, _OFFSETS = "probe_weights", "probe_offsets"  # beside the references, in their file


@dataclass(frozen=True, eq=False, kw_only=True)
class Trust(TrustRecord):
    """Honest probabilities, and when to say "not sure".

    Attributes:
        references: (R, D), embeddings of images that were learned from; what is far from all of them is
            unlike anything seen.
        probes: What tells pictures that were turned or taken in other light; none in folders of earlier
            versions.
    """

    references: npt.NDArray[np.float16]
    probes: Probes = NO_PROBES

    def probabilities(self, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Of each class: (N, C) -> (N, C), rows adding up to 1."""
        return scaled_probabilities(logits, self.temperature)

    def distances(self, embeddings: Vectors) -> npt.NDArray[np.float64]:
        """Return the novelty of embeddings: (N, D) -> (N,), on the scale of cosine distances, 0 … 2."""
        return self.probes.novelty(embeddings, novelty(embeddings, self.references))

    def verdicts(
        self, probabilities: npt.NDArray[np.float64], distances: npt.NDArray[np.float64]
    ) -> Verdicts:
        """Return the images to answer, and why the others not: (N, C), (N,)."""
        return self.rule.judge(probabilities, distances, self.level)

    def at(self, level: float) -> Self:
        """The same at another level."""
        return replace(self, level=level)

    @property
    def record(self) -> TrustRecord:
        """The same without the references and the probes."""
        return TrustRecord(temperature=self.temperature, rule=self.rule, level=self.level)

    @property
    def probe_arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """The arrays of the probes by their names in files; none if there are no probes."""
        probes = self.probes
        return {_WEIGHTS: probes.weights, _OFFSETS: probes.offsets} if len(probes.offsets) else {}

    def save(self, folder: Path) -> None:
        """Write the references and the probes; the `record` belongs into the config beside them."""
        path = folder / REFERENCES
        with guard(path), replacing(path) as temporary:
            references = {"vectors": np.ascontiguousarray(self.references)}
            safetensors.numpy.save_file({**references, **self.probe_arrays}, temporary)

    @classmethod
    def load(cls, folder: Path, record: TrustRecord) -> Self:
        """Read what `save` wrote, to what the config says.

        Raises:
            StorageError: Missing or damaged.
        """
        path = folder / REFERENCES
        with guard(path, TRAIN_AGAIN):
            tensors = safetensors.numpy.load_file(path)
            references, weights, offsets = tensors["vectors"], tensors.get(_WEIGHTS), tensors.get(_OFFSETS)
            if references.dtype != np.float16 or references.ndim != 2 or not references.size:
                raise ValueError(message("its shapes do not match"))
            probes = NO_PROBES
            if weights is not None and offsets is not None:
                probes = Probes(weights=weights, offsets=offsets)
                if offsets.ndim != 1 or weights.shape != (len(offsets), references.shape[1]):
                    raise ValueError(message("its shapes do not match"))
            if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
                raise ValueError(message("not all of its numbers are finite and in range"))
        return cls(**vars(record), references=references, probes=probes)
