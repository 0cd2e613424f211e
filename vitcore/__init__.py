"""Train an image classifier on a frozen Vision Transformer, and see how far it can be trusted.

>>> import vitcore
>>> dataset = vitcore.import_dataset("photos.zip")
>>> run = vitcore.train(dataset, vitcore.Hyperparameters(epochs=20))
>>> print(run.evaluation.accuracy, run.evaluation.balanced_accuracy, run.evaluation.cohen_kappa)
>>> classifier = vitcore.load_classifier(run.folder)
>>> print(classifier.predict(["new.jpg"])[0])

The pieces in between are in the sub-packages: `vitcore.dataset`, `vitcore.backbone`,
`vitcore.features`, `vitcore.training`, `vitcore.evaluation`, `vitcore.inference`, `vitcore.runs`.
"""

from vitcore.compute import Compute
from vitcore.dataset import Dataset, import_dataset, load_dataset
from vitcore.errors import VitcoreError
from vitcore.inference import Classifier, Prediction, load_classifier
from vitcore.pipeline import find_settings, train
from vitcore.runs import Run, list_runs, load_run
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

__all__ = [
    "Classifier",
    "Compute",
    "Dataset",
    "Hyperparameters",
    "Prediction",
    "Run",
    "VitcoreError",
    "Workspace",
    "find_settings",
    "import_dataset",
    "list_runs",
    "load_classifier",
    "load_dataset",
    "load_run",
    "train",
]
