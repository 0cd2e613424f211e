"""From image files to vectors, each computed once: the pass through the backbone, and the store behind it."""

from vitcore.features._choosing import (
    SAME_COSINE,
    SAME_LABELS,
    Candidate,
    EngineChoice,
    choose_engine,
    cosines,
    prepare_embedder,
    same_labels,
)
from vitcore.features._embed import Embeddings, ImageFile, embed_images, image_files
from vitcore.features._pass import Batch, Pass, Refusal, Shot, batch_of, local_pass, look, open_image
from vitcore.features._store import FeatureStore, StoredVectors

__all__ = [
    "SAME_COSINE",
    "SAME_LABELS",
    "Batch",
    "Candidate",
    "Embeddings",
    "EngineChoice",
    "FeatureStore",
    "ImageFile",
    "Pass",
    "Refusal",
    "Shot",
    "StoredVectors",
    "batch_of",
    "choose_engine",
    "cosines",
    "embed_images",
    "image_files",
    "local_pass",
    "look",
    "open_image",
    "prepare_embedder",
    "same_labels",
]
