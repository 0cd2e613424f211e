"""From the names and tables in a source to the ways in which its classes can be read."""

from vitcore.layouts._boxes import CROP, LABEL
from vitcore.layouts._classes import MERGE, about_likeness, typed_name
from vitcore.layouts._folders import EVERY_FOLDER, WHOLE, Labelled, split_name
from vitcore.layouts._in_names import FIRST_WORD, WORDS
from vitcore.layouts._reading import Candidate, Reading, Survey
from vitcore.layouts._several import EVERY_COLUMN, KEEP, LEAVE_OUT
from vitcore.layouts._survey import is_video, survey_parts, unfit

__all__ = [
    "CROP",
    "EVERY_COLUMN",
    "EVERY_FOLDER",
    "FIRST_WORD",
    "KEEP",
    "LABEL",
    "LEAVE_OUT",
    "MERGE",
    "WHOLE",
    "WORDS",
    "Candidate",
    "Labelled",
    "Reading",
    "Survey",
    "about_likeness",
    "is_video",
    "split_name",
    "survey_parts",
    "typed_name",
    "unfit",
]
