"""Companions of an exported model: scripts that run without this package.

They are copied as they are, and may import nothing but what they say at their top.
"""

__all__: list[str] = []
