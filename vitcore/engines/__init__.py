"""What takes images through a backbone: the choice among engines on this machine, and Ray on several.

The sessions of the engines themselves belong to the embedder (`vitcore.backbone`), which cannot do without.
"""

from vitcore.engines._choice import (
    SAME_COSINE,
    SAME_LABELS,
    EngineChoice,
    choose_engine,
    cosines,
    prepare_embedder,
    same_labels,
)
from vitcore.engines._ray import pass_for, ray_pass
from vitcore.engines._records import EngineRecord, EngineTrial

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
