"""Variants of a test, of which a few are enough by default."""

from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["first_of"]


def first_of(values: Iterable[Any], count: int = 1) -> list[Any]:
    """Parameters of a test, each a value or a tuple of them: all after the first ones are thorough."""
    return [
        value
        if number < count
        else pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.thorough)
        for number, value in enumerate(values)
    ]
