"""Pieces of the page that labels photos."""
