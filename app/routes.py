"""Addresses of the server of the app."""

import streamlit as st

__all__ = ["photo_address"]


def photo_address() -> str:
    """Return the path to which browsers send photos."""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/photos" if base else "/photos"
