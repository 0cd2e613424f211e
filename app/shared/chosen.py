"""The settings of the next training, as this session has chosen them; the usual ones if it has not."""

from dataclasses import fields
from typing import Any

import streamlit as st

from vitcore.compute import Compute
from vitcore.records import plain_values
from vitcore.training import Hyperparameters, settings_without_effect

__all__ = ["DEFAULTS", "FILE", "REQUESTED", "chosen_settings", "requested_settings"]

DEFAULTS = Hyperparameters()
FILE = "file"
"""The choice of a backbone that stands for a weights file."""
REQUESTED = tuple(field.name for field in fields(Compute))


def chosen_settings() -> dict[str, Any]:
    """Return the chosen hyperparameters; those without effect are at their defaults, and not forgotten."""
    shown = {name: st.session_state.get(name, value) for name, value in plain_values(DEFAULTS).items()}
    idle = settings_without_effect(shown)
    return {name: getattr(DEFAULTS, name) if name in idle else value for name, value in shown.items()}


def requested_settings() -> dict[str, Any]:
    """Return the chosen backbone, device, precision and engine as of the last run."""
    backbone = st.session_state.get("backbone", "auto")
    return {
        "backbone": st.session_state.get("weights", "").strip() if backbone == FILE else backbone,
        **{name: st.session_state.get(name, "auto") for name in REQUESTED[1:]},
    }
