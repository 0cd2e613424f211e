"""From a pile of files to labelled, checked and divided images."""

from vitcore.dataset._dataset import INDEX_COLUMNS, Dataset, Skipped, list_datasets, load_dataset
from vitcore.dataset._decode import IMAGE_SUFFIXES, MAX_PIXELS, load_image
from vitcore.dataset._import import import_dataset
from vitcore.dataset._sample import SAMPLE
from vitcore.dataset._split import split_index
from vitcore.dataset._views import make_view, view_key

__all__ = [
    "IMAGE_SUFFIXES",
    "INDEX_COLUMNS",
    "MAX_PIXELS",
    "SAMPLE",
    "Dataset",
    "Skipped",
    "import_dataset",
    "list_datasets",
    "load_dataset",
    "load_image",
    "make_view",
    "split_index",
    "view_key",
]
