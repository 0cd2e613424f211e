"""From image files to vectors, each computed once: the pass through the backbone, and the store behind it."""

from vitcore.features._embed import Embeddings, ImageFile, embed_images, image_files
from vitcore.features._pass import (
    EmbeddedBatch,
    ImageView,
    Pass,
    Unreadable,
    embed_batch,
    load_pixels,
    local_pass,
    open_image,
)
from vitcore.features._store import FeatureStore, StoredVectors

__all__ = [
    "EmbeddedBatch",
    "Embeddings",
    "FeatureStore",
    "ImageFile",
    "ImageView",
    "Pass",
    "StoredVectors",
    "Unreadable",
    "embed_batch",
    "embed_images",
    "image_files",
    "load_pixels",
    "local_pass",
    "open_image",
]
