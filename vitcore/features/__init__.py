"""From image files to vectors, each computed once: the pass through the backbone, and the store behind it."""

from vitcore.features._embed import Embeddings, ImageFile, embed_images
from vitcore.features._pass import Batch, Pass, Refusal, Shot, batch_of, local_pass, look, open_image
from vitcore.features._store import FeatureStore

__all__ = [
    "Batch",
    "Embeddings",
    "FeatureStore",
    "ImageFile",
    "Pass",
    "Refusal",
    "Shot",
    "batch_of",
    "embed_images",
    "local_pass",
    "look",
    "open_image",
]
