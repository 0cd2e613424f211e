from ._batches import (
    PhotoBatch,
    answer_batch,
    delete_batch,
    list_batches,
    list_damaged_batches,
    load_batch,
    new_batch,
)
from ._comparing import RunComparison, compare_runs, unshared_reason
from ._deleting import delete_dataset
from ._drifting import LEAST_IN_USE, UsageDrift, usage_drift
from ._exporting import export_model, export_onnx, export_web
from ._external import (
    ExternalEvaluation,
    delete_external,
    evaluate_external,
    list_damaged_external,
    load_external,
)
from ._handing_on import Export, ExportRecord, load_export, pack_export
from ._judging import OtherSet, evaluate_on, match_classes
from ._labelling import (
    LabelSession,
    LabelSpace,
    accept_guesses,
    embed_for_labelling,
    give_labels,
    remember_picks,
)
from ._maps import check_maps, load_map_check
from ._opening import OpenedModel, delete_model, list_models, load_model, open_model
from ._publishing import Published, load_published, publish_run
from ._reporting import write_report
from ._review import Review, RunVectors, load_review, review_run, run_vectors
from ._searching import RecipeSearch, SearchedRecipe, find_recipe, load_search, usual_rivals
from ._stress import UNCHANGED, StressTest, load_stress, stress_images, stress_test
from ._training import resume, train

__all__ = [
    "LEAST_IN_USE",
    "UNCHANGED",
    "Export",
    "ExportRecord",
    "ExternalEvaluation",
    "LabelSession",
    "LabelSpace",
    "OpenedModel",
    "OtherSet",
    "PhotoBatch",
    "Published",
    "RecipeSearch",
    "Review",
    "RunComparison",
    "RunVectors",
    "SearchedRecipe",
    "StressTest",
    "UsageDrift",
    "accept_guesses",
    "answer_batch",
    "check_maps",
    "compare_runs",
    "delete_batch",
    "delete_dataset",
    "delete_external",
    "delete_model",
    "embed_for_labelling",
    "evaluate_external",
    "evaluate_on",
    "export_model",
    "export_onnx",
    "export_web",
    "find_recipe",
    "give_labels",
    "list_batches",
    "list_damaged_batches",
    "list_damaged_external",
    "list_models",
    "load_batch",
    "load_export",
    "load_external",
    "load_map_check",
    "load_model",
    "load_published",
    "load_review",
    "load_search",
    "load_stress",
    "match_classes",
    "new_batch",
    "open_model",
    "pack_export",
    "publish_run",
    "remember_picks",
    "resume",
    "review_run",
    "run_vectors",
    "stress_images",
    "stress_test",
    "train",
    "unshared_reason",
    "usage_drift",
    "usual_rivals",
    "write_report",
]
