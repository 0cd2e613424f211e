from ._batch import (
    BatchResult,
    PredictedFile,
    VideoPicture,
    each_prediction,
    predict_files,
    read_predictions,
)
from ._classifier import Classifier, ImageSource, Prediction
from ._deletion import DELETED, Deletion, deletion_test
from ._explain import Explanation, explain, heatmap
from ._export import (
    Agreement,
    copy_classifier,
    measure_agreement,
)
from ._model import check_model, load_classifier, load_trust, save_classifier, set_level
from ._onnx import copy_script, onnx_probabilities, write_fp16, write_int8, write_onnx
from ._onnx_graph import classifier_graph
from ._trust import USUAL_LEVEL, Trust
from ._usage import forget_usage, is_usage_kept, keep_usage, keeping_usage, load_usage
from ._web import write_web_page

__all__ = [
    "DELETED",
    "USUAL_LEVEL",
    "Agreement",
    "BatchResult",
    "Classifier",
    "Deletion",
    "Explanation",
    "ImageSource",
    "PredictedFile",
    "Prediction",
    "Trust",
    "VideoPicture",
    "check_model",
    "classifier_graph",
    "copy_classifier",
    "copy_script",
    "deletion_test",
    "each_prediction",
    "explain",
    "forget_usage",
    "heatmap",
    "is_usage_kept",
    "keep_usage",
    "keeping_usage",
    "load_classifier",
    "load_trust",
    "load_usage",
    "measure_agreement",
    "onnx_probabilities",
    "predict_files",
    "read_predictions",
    "save_classifier",
    "set_level",
    "write_fp16",
    "write_int8",
    "write_onnx",
    "write_web_page",
]
