from ._embed import Embeddings, FirstLook, ImageFile, embed_images, image_files
from ._pass import (
    EmbeddedBatch,
    ImageView,
    Pass,
    Unreadable,
    embed_batch,
    load_pixels,
    local_pass,
    open_image,
)
from ._store import FeatureStore, StoredVectors

__all__ = [
    "EmbeddedBatch",
    "Embeddings",
    "FeatureStore",
    "FirstLook",
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
