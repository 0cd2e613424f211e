"""The frozen Vision Transformers: which there are, where their weights come from, what computes with them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
