"""From a pile of files to labelled, checked and divided images."""

from vitcore.dataset._checks import check_index
from vitcore.dataset._columns import SharedColumn, shared_columns
from vitcore.dataset._confirmed import confirm, confirmed, unconfirm
from vitcore.dataset._copies import duplicate_groups, find_copies
from vitcore.dataset._dataset import (
    INDEX_COLUMNS,
    Change,
    Dataset,
    Skipped,
    list_damaged_datasets,
    list_datasets,
    load_dataset,
    squared,
)
from vitcore.dataset._decode import MAX_PIXELS, load_image
from vitcore.dataset._divisions import KeptSplit, divide, kept_divisions, kept_sides
from vitcore.dataset._edit import (
    append_images,
    delete_class,
    exclude,
    group_images,
    relabel,
    rename_class,
    rename_dataset,
    restore,
    set_aside,
    undo,
)
from vitcore.dataset._findings import MAX_PREVALENCE, Finding, IssueKind, Remedy
from vitcore.dataset._groups import NO_GROUPS, GroupRule, Series, extra_columns, find_series, joined
from vitcore.dataset._import import SourceLike, add_images, import_dataset, inspect_source, preview_source
from vitcore.dataset._labelling import LabelSource, label_images, unlabel
from vitcore.dataset._perturbations import PERTURBATIONS, perturb, perturbation_key
from vitcore.dataset._pieces import frame_interval, frames_of
from vitcore.dataset._provenance import IMPORTED, MACHINE, PERSON, LabelledBy, about_unlabelled
from vitcore.dataset._remarks import Remark, remarks
from vitcore.dataset._report import import_report
from vitcore.dataset._sample import SAMPLE, SAMPLE_COUNT, SAMPLE_NAME, sample_images
from vitcore.dataset._split import split_index
from vitcore.dataset._unpack import Unpacked, unpack_photos
from vitcore.dataset._views import AUGMENTATIONS, USUAL_AUGMENTATIONS, make_view, view_key

__all__ = [
    "AUGMENTATIONS",
    "IMPORTED",
    "INDEX_COLUMNS",
    "MACHINE",
    "MAX_PIXELS",
    "MAX_PREVALENCE",
    "NO_GROUPS",
    "PERSON",
    "PERTURBATIONS",
    "SAMPLE",
    "SAMPLE_COUNT",
    "SAMPLE_NAME",
    "USUAL_AUGMENTATIONS",
    "Change",
    "Dataset",
    "Finding",
    "GroupRule",
    "IssueKind",
    "KeptSplit",
    "LabelSource",
    "LabelledBy",
    "Remark",
    "Remedy",
    "Series",
    "SharedColumn",
    "Skipped",
    "SourceLike",
    "Unpacked",
    "about_unlabelled",
    "add_images",
    "append_images",
    "check_index",
    "confirm",
    "confirmed",
    "delete_class",
    "divide",
    "duplicate_groups",
    "exclude",
    "extra_columns",
    "find_copies",
    "find_series",
    "frame_interval",
    "frames_of",
    "group_images",
    "import_dataset",
    "import_report",
    "inspect_source",
    "joined",
    "kept_divisions",
    "kept_sides",
    "label_images",
    "list_damaged_datasets",
    "list_datasets",
    "load_dataset",
    "load_image",
    "make_view",
    "perturb",
    "perturbation_key",
    "preview_source",
    "relabel",
    "remarks",
    "rename_class",
    "rename_dataset",
    "restore",
    "sample_images",
    "set_aside",
    "shared_columns",
    "split_index",
    "squared",
    "unconfirm",
    "undo",
    "unlabel",
    "unpack_photos",
    "view_key",
]
