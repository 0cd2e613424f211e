"""The audit of a dataset by pixels and vectors: blur, look-alikes, contradictions and leaks among them.

`measure` goes through the photos once; `find_issues` puts what it measured together with what the index
shows (`vitcore.dataset.check_index`), whenever asked.
"""

from vitcore.audit._brightness import measure_brightness, photo_conditions
from vitcore.audit._findings import find_issues
from vitcore.audit._measures import Measures, load_measures, measure
from vitcore.audit._near_duplicates import near_duplicate_groups

__all__ = [
    "Measures",
    "find_issues",
    "load_measures",
    "measure",
    "measure_brightness",
    "near_duplicate_groups",
    "photo_conditions",
]
