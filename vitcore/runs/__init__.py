"""A run on disk: one training, from its settings to its figures."""

from vitcore.runs._records import (
    Calibration,
    CrossValidation,
    DatasetReference,
    ImageCounts,
    Leak,
    PhaseSeconds,
    Repeats,
    RunBackbone,
    RunConfig,
    RunFacts,
    SplitRecord,
)
from vitcore.runs._run import (
    CHECKPOINT,
    HISTORY_COLUMNS,
    Run,
    RunWriter,
    delete_run,
    describe_run,
    list_runs,
    load_run,
    restore_run,
)

__all__ = [
    "CHECKPOINT",
    "HISTORY_COLUMNS",
    "Calibration",
    "CrossValidation",
    "DatasetReference",
    "ImageCounts",
    "Leak",
    "PhaseSeconds",
    "Repeats",
    "Run",
    "RunBackbone",
    "RunConfig",
    "RunFacts",
    "RunWriter",
    "SplitRecord",
    "delete_run",
    "describe_run",
    "list_runs",
    "load_run",
    "restore_run",
]
