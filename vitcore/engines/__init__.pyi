from ._choice import (
    SAME_COSINE,
    SAME_LABELS,
    EngineChoice,
    choose_engine,
    cosines,
    prepare_embedder,
    same_labels,
)
from ._ray import pass_for, ray_pass
from ._records import EngineRecord, EngineTrial

__all__ = [
    "SAME_COSINE",
    "SAME_LABELS",
    "EngineChoice",
    "EngineRecord",
    "EngineTrial",
    "choose_engine",
    "cosines",
    "pass_for",
    "prepare_embedder",
    "ray_pass",
    "same_labels",
]
