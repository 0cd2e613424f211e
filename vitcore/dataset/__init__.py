"""From a pile of files to labelled, checked and divided images."""

from vitcore.dataset._confirmed import confirm, confirmed, unconfirm
from vitcore.dataset._dataset import INDEX_COLUMNS, Change, Dataset, Skipped, list_datasets, load_dataset
from vitcore.dataset._decode import IMAGE_SUFFIXES, MAX_PIXELS, load_image
from vitcore.dataset._duplicates import SAME_PICTURE, Picture, group_pairs, likeness, similar_pairs
from vitcore.dataset._edit import (
    append_images,
    delete_class,
    exclude,
    relabel,
    rename_class,
    rename_dataset,
    restore,
    undo,
)
from vitcore.dataset._import import SourceLike, add_images, import_dataset, inspect_source, preview_source
from vitcore.dataset._remarks import Remark, remarks
from vitcore.dataset._report import import_report
from vitcore.dataset._sample import SAMPLE, SAMPLE_NAME
from vitcore.dataset._split import fold_index, split_index
from vitcore.dataset._survey import Candidate, NamedFile, Reading, Survey
from vitcore.dataset._unpack import Unpacked, unpack_photos
from vitcore.dataset._views import AUGMENTATIONS, USUAL_AUGMENTATIONS, make_view, view_key

__all__ = [
    "AUGMENTATIONS",
    "IMAGE_SUFFIXES",
    "INDEX_COLUMNS",
    "MAX_PIXELS",
    "SAME_PICTURE",
    "SAMPLE",
    "SAMPLE_NAME",
    "USUAL_AUGMENTATIONS",
    "Candidate",
    "Change",
    "Dataset",
    "NamedFile",
    "Picture",
    "Reading",
    "Remark",
    "Skipped",
    "SourceLike",
    "Survey",
    "Unpacked",
    "add_images",
    "append_images",
    "confirm",
    "confirmed",
    "delete_class",
    "exclude",
    "fold_index",
    "group_pairs",
    "import_dataset",
    "import_report",
    "inspect_source",
    "likeness",
    "list_datasets",
    "load_dataset",
    "load_image",
    "make_view",
    "preview_source",
    "relabel",
    "remarks",
    "rename_class",
    "rename_dataset",
    "restore",
    "similar_pairs",
    "split_index",
    "unconfirm",
    "undo",
    "unpack_photos",
    "view_key",
]
