from .compute import Compute
from .dataset import Dataset, import_dataset, load_dataset
from .errors import VitcoreError
from .inference import Classifier, Prediction, load_classifier
from .pipeline import find_recipe, train
from .runs import Run, list_runs, load_run
from .training import Hyperparameters
from .workspace import Workspace

__all__ = [
    "Classifier",
    "Compute",
    "Dataset",
    "Hyperparameters",
    "Prediction",
    "Run",
    "VitcoreError",
    "Workspace",
    "find_recipe",
    "import_dataset",
    "list_runs",
    "load_classifier",
    "load_dataset",
    "load_run",
    "train",
]
