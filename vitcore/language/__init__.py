"""The language in which people are spoken to.

The code is written in English, and so is what it raises and what it keeps on the disk. Where a text meets
a person it is turned into their language:

- `tr` and `ntr` for texts that are written where they are shown (pages, charts, the report);
- `said` for sentences that come from elsewhere with their figures filled in: messages of errors, findings,
  what was done to a dataset. It finds the pattern that such a sentence was made by.

Catalogues are gettext's: ``locale/<language>/LC_MESSAGES/*.po`` beside this file, and those of the app once
it called `install`. A text of `tr` has fields with names, ``{count} photos``; a pattern of `said` has
numbered ones, ``'{0}' has {1} images``, one for each value of the f-string that made the sentence. English
is what stands in the code and needs no catalogue.

Values that are sentences, reasons or numbers are translated in turn. Names are not: they stand in quotes, in
the pattern or in the value. A value that is a name without them is ``{0!s}`` in the translation.
"""

from vitcore.language._catalogues import LANGUAGES, current, install, ntr, said, speaking, tr, translated
from vitcore.language._figures import (
    decimals,
    duration,
    file_size,
    images,
    listed,
    local_time,
    number,
    of_100,
    percent,
    span_sentence,
)
from vitcore.messages import mark

__all__ = [
    "LANGUAGES",
    "current",
    "decimals",
    "duration",
    "file_size",
    "images",
    "install",
    "listed",
    "local_time",
    "mark",
    "ntr",
    "number",
    "of_100",
    "percent",
    "said",
    "span_sentence",
    "speaking",
    "tr",
    "translated",
]
