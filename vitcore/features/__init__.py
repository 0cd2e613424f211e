"""From image files to vectors, each computed once: the pass through the backbone, and the store behind it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
