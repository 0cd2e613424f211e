"""Names from outside, cut to what a page has room for."""

__all__ = ["shortened"]


def shortened(name: str, limit: int = 60) -> str:
    """A name on one line; a longer one loses its middle."""
    name = " ".join(name.split())
    half = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[:half]}…{name[-half:]}"
