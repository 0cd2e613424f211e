"""The stages of a training, with about what they cost, for one progress of all."""

from vitcore.dataset import Dataset
from vitcore.progress import Course, Stage
from vitcore.training import Hyperparameters

__all__ = ["training_course"]

# In passes of an image through the backbone, on a computer without GPU.
_ENGINES, _MANY = 64, 1000  # tried on so many, if there are so many
_COPIES = 80
_FIT = 10


def training_course(dataset: Dataset, h: Hyperparameters) -> Course:
    """Return the stages of a training on a dataset with some settings."""
    test = int((dataset.index["split"] == "test").sum())
    images = len(dataset.index) - test
    return Course(
        [
            Stage(phase="prepare", cost=1),
            Stage(phase="engines", cost=_ENGINES if images >= _MANY else 0),
            Stage(phase="embed", cost=images),
            Stage(phase="prepare", cost=0.02 * images),
            *([Stage(phase="embed", cost=(h.views - 1) * images)] if h.views > 1 else []),
            Stage(phase="embed", cost=min(_COPIES, 0.8 * images)),
            *([Stage(phase="embed", cost=test)] if test else []),
            Stage(phase="fit", cost=_FIT + 0.01 * images),
            Stage(phase="fit", cost=_FIT + 0.03 * images),
            Stage(phase="evaluate", cost=_FIT),
        ]
    )
