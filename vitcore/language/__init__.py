"""The language in which people are spoken to.

The code is written in English, and so is what it raises and what it keeps on the disk. Where a text meets
a person it is turned into their language:

- `tr` and `ntr` for texts that are written where they are shown (pages, charts, the report);
- `translated` for what comes from elsewhere, an error, a finding or what was done to a dataset: a template
  and its values (`vitcore.messages`), which are put into words here.

Catalogues are gettext's: ``locale/<language>/LC_MESSAGES/*.po`` beside this file, and those of the app once
it called `install`. They are kept up to date by babel (`tests.language.extraction`). English is what stands
in the code and needs no catalogue.
"""

from vitcore.language._catalogues import LANGUAGES, current, install, ntr, speaking, tr, translated
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
    "span_sentence",
    "speaking",
    "tr",
    "translated",
]
