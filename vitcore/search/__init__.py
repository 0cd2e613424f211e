"""One way to compare recipes: a backbone, an input size and the settings of a head, on the same photos."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
