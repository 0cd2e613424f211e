"""The walk through the rooms: dataset, features, head, evaluation, and a run that holds it all."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
