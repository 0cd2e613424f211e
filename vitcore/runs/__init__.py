"""A run on disk: one training, from its settings to its figures."""

from vitcore.runs._listing import (
    delete_run,
    describe_run,
    list_damaged_runs,
    list_runs,
    load_run,
    restore_run,
)
from vitcore.runs._records import (
    Calibration,
    CrossValidation,
    DatasetReference,
    HeadlineFigure,
    ImageCounts,
    Leak,
    PhaseSeconds,
    Repeats,
    RunBackbone,
    RunConfig,
    RunFacts,
    SplitRecord,
    TestResult,
)
from vitcore.runs._run import CHECKPOINT, HISTORY_COLUMNS, Run, RunWriter

__all__ = [
    "CHECKPOINT",
    "HISTORY_COLUMNS",
    "Calibration",
    "CrossValidation",
    "DatasetReference",
    "HeadlineFigure",
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
    "TestResult",
    "delete_run",
    "describe_run",
    "list_damaged_runs",
    "list_runs",
    "load_run",
    "restore_run",
]
