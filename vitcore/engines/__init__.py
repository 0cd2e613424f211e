"""Engines that take images through a backbone: the choice among engines on this machine, and Ray on several.

The sessions of the engines themselves belong to the embedder (`vitcore.backbone`), which cannot do without.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
