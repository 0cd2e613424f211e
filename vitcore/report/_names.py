"""Names from outside, cut to what a page has room for."""

from collections.abc import Iterable

__all__ = ["distinct", "shortened"]


def distinct(names: Iterable[str]) -> list[str]:
    """Names that were cut and are the same now, told apart by a number."""
    seen: dict[str, int] = {}
    apart = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        apart.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return apart


def shortened(name: str, limit: int = 60) -> str:
    """A name on one line; a longer one loses its middle."""
    name = " ".join(name.split())
    half = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[:half]}…{name[-half:]}"
