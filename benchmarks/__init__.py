"""The claims about speed and accuracy, measured on the machine at hand.

::

    python -m benchmarks --list
    python -m benchmarks second-training page-rerun
    python -m benchmarks --photos photos.zip --json > rows.json

No figure is meaningful by itself: each is measured side by side with what it is compared to, in one
run, in turn where it is short enough to be repeated. ``ratio`` is always value / baseline.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from benchmarks._accuracy import accuracy_balanced, views
from benchmarks._copies import copies
from benchmarks._deletion import deletion
from benchmarks._embedding import embedding_pass
from benchmarks._engines import engines
from benchmarks._features import features
from benchmarks._forecast import more_images
from benchmarks._headline import finish, headline
from benchmarks._intervals import intervals
from benchmarks._labelling import labelling
from benchmarks._labels import label_audit
from benchmarks._memory import large_set, memory
from benchmarks._pages import page_rerun
from benchmarks._reference import reference_loop
from benchmarks._rows import Row, machine
from benchmarks._search import search
from benchmarks._second import second_training
from benchmarks._serving import serving
from benchmarks._setting import MissingData, Setting, home_at
from benchmarks._short_work import short_work
from benchmarks._stress import stress
from benchmarks._trust import calibration, not_sure, unlike
from benchmarks._web_page import web_page

__all__ = ["BENCHMARKS", "Benchmark", "MissingData", "Row", "Setting", "home_at", "machine"]

Benchmark = Callable[[Setting], list[Row]]
"""Measures something. The first line of its docstring says what."""

BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        "accuracy-balanced": accuracy_balanced,
        "calibration": calibration,
        "copies": copies,
        "deletion": deletion,
        "embedding-pass": embedding_pass,
        "engines": engines,
        "features": features,
        "finish": finish,
        "forecast": more_images,
        "headline": headline,
        "intervals": intervals,
        "label-audit": label_audit,
        "labelling": labelling,
        "large-set": large_set,
        "memory": memory,
        "not-sure": not_sure,
        "page-rerun": page_rerun,
        "reference-loop": reference_loop,
        "search": search,
        "second-training": second_training,
        "serving": serving,
        "short-work": short_work,
        "stress": stress,
        "unlike": unlike,
        "views": views,
        "web-page": web_page,
    }
)
"""All benchmarks by name."""
