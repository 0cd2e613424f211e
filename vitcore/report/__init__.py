"""A result said once: the figures of a run as blocks, and blocks as HTML and Markdown.

The written report of a run is one HTML file that can be read anywhere, kept and printed; the model card goes
along with a classifier that is handed on; the pages of the app draw the same blocks. What is not there of a
run is left out.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
