"""Altair charts as pure functions of tables; the app and the report draw the same ones."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
