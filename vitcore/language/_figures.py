"""Figures as people write them, in the language of now."""

import math
from collections.abc import Sequence
from datetime import datetime

from babel.dates import format_datetime
from babel.numbers import format_decimal

from vitcore.language._catalogues import current, ntr, speech, tr

__all__ = [
    "decimals",
    "duration",
    "file_size",
    "images",
    "listed",
    "local_time",
    "number",
    "of_100",
    "percent",
    "span_sentence",
]

_UNDEFINED = "\N{EN DASH}"


def number(value: float, places: int = 0) -> str:
    """A number with its groups of digits: ``12,345.6``, in Spanish ``12.345,6``; a dash if it is not defined.

    Args:
        value: The number.
        places: Digits behind the point.
    """
    if not math.isfinite(value):
        return _UNDEFINED
    return str(format_decimal(value, f"#,##0{'.' * bool(places)}{'0' * places}", locale=current()))


def percent(share: float) -> str:
    """A share as percentage with one decimal: ``76.7 %``; a dash if it is not defined."""
    return _UNDEFINED if math.isnan(share) else f"{number(100 * share, 1)}\N{NO-BREAK SPACE}%"


def decimals(value: float) -> str:
    """A figure with three decimals; a dash if it is not defined."""
    return number(value, 3)


def span_sentence(low: float, high: float, *, new_group: str = "") -> str:
    """Return the meaning of an interval of accuracy in words.

    Args:
        low: Its lower end, 0 … 1; NaN if there are no images.
        high: Its upper end.
        new_group: The word for what was not learned from, such as a series; empty if it is about any images.
    """
    if math.isnan(low):
        return tr("There are no images to judge by.")
    text = tr("Out of 100 new photos like these, expect {low} to {high} right.")
    if new_group:
        text = tr("Out of 100 photos of a new {group}, expect {low} to {high} right.")
    return text.format(group=new_group, low=round(100 * low), high=round(100 * high))


def duration(seconds: float) -> str:
    """A time span: ``8 s``, ``2 min 5 s``, ``1 h 3 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{number(seconds, 1) if seconds < 10 else whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def file_size(size_bytes: int) -> str:
    """A size on disk: ``12 kB``, ``3.4 MB``, ``1.2 GB``, a kilobyte being 1,000 bytes."""
    if size_bytes < 1e6:
        return f"{number(size_bytes / 1e3)} kB"
    return f"{number(size_bytes / 1e6, 1)} MB" if size_bytes < 1e9 else f"{number(size_bytes / 1e9, 1)} GB"


def local_time(iso: str) -> str:
    """A stored time for people, in this machine's zone: ``23 Nov 2026, 14:05``."""
    local = datetime.fromisoformat(iso).astimezone()
    return str(format_datetime(local, "dd MMM y, HH:mm", locale=current()))


def images(count: int) -> str:
    """A number of images in words."""
    return ntr("{count} photo", "{count} photos", count).format(count=number(count))


def of_100(share: float) -> str:
    """A share as people say it; what is not quite all or none is not called so."""
    whole = round(100 * share)
    if share == 0:
        return tr("none of 100")
    if whole == 0:
        return tr("fewer than 1 of 100")
    if whole == 100 and share < 1:
        return tr("over 99 of 100")
    return tr("{count} of 100").format(count=whole)


def listed(names: Sequence[str]) -> str:
    """Names as people list them: ``a, b and c``."""
    return speech(current()).listed(names, "")
