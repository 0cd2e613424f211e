"""Text for the screen: names from outside made harmless, numbers as people read them."""

import math
import re
from datetime import datetime

__all__ = ["decimals", "duration", "file_size", "local_time", "percent", "plain", "span_sentence"]

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:$&^=\"'/])")
# Markdown would still turn these into links, icons and emoji after the escapes are gone; a word joiner,
# which nobody sees, keeps them apart.
_LIVELY = re.compile(r"(:)(?=//|[A-Za-z_+-])|(www)(?=\.)|(?<=\S)(@)", re.IGNORECASE)
_UNDEFINED = "\N{EN DASH}"
_JOINER = "\N{WORD JOINER}"


def plain(text: str, limit: int = 60) -> str:
    """A name from outside, to be put into Markdown: shown as it is, whatever it contains.

    Args:
        text: For example the name of a class, file or dataset.
        limit: Longer names lose their middle.
    """
    if len(text) > limit:
        half = (limit - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    text = _LIVELY.sub(lambda match: match[0] + _JOINER, " ".join(text.split()))
    return _PUNCTUATION.sub(r"\\\1", text)


def percent(share: float) -> str:
    """A share as percentage with one decimal: ``76.7 %``; a dash if it is not defined."""
    return _UNDEFINED if math.isnan(share) else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def decimals(value: float) -> str:
    """A figure with three decimals; a dash if it is not defined."""
    return _UNDEFINED if math.isnan(value) else f"{value:.3f}"


def span_sentence(low: float, high: float) -> str:
    """What the interval of an accuracy means for a person."""
    if math.isnan(low):
        return "There are no images to judge by."
    return f"Out of 100 new photos like these, expect {round(100 * low)} to {round(100 * high)} right."


def duration(seconds: float) -> str:
    """A time span: ``8 s``, ``2 min 5 s``, ``1 h 3 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def file_size(size_bytes: int) -> str:
    """A size on disk: ``12 kB``, ``3.4 MB``, ``1.2 GB``, a kilobyte being 1,000 bytes."""
    if size_bytes < 1e6:
        return f"{size_bytes / 1e3:.0f} kB"
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes < 1e9 else f"{size_bytes / 1e9:.1f} GB"


def local_time(iso: str) -> str:
    """A stored time for people, in this machine's zone: ``23 Nov 2026, 14:05``."""
    return f"{datetime.fromisoformat(iso).astimezone():%d %b %Y, %H:%M}"
