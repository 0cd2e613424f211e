"""Samples: the validation images with their true class and the prediction."""

import pandas as pd
import streamlit as st

from app.parts import gallery, needed_dataset, needed_run, next_page, opening, paged, thumbnail
from app.text import percent, plain

SHOW = {"all": "All", "right": "Right", "wrong": "Mistakes"}
ORDERS = {
    "Largest loss first": ("loss", False),
    "Most confident first": ("confidence", False),
    "Least confident first": ("confidence", True),
    "By name": ("name", True),
}
ANY = "Any class"


def filtered(rows: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Draw the filters; the rows that pass, in the chosen order."""
    right = rows["true"] == rows["predicted"]
    counts = {"all": len(rows), "right": int(right.sum()), "wrong": int((~right).sum())}
    show = st.segmented_control(
        "Show",
        list(SHOW),
        default="all",
        required=True,
        format_func=lambda key: f"{SHOW[key]} ({counts[key]})",
        key="show",
        label_visibility="collapsed",
        persist_state="session",
    )
    columns = st.columns(4)
    true = columns[0].selectbox("True class", [ANY, *classes], key="true_class")
    predicted = columns[1].selectbox("Predicted class", [ANY, *classes], key="predicted_class")
    low, high = columns[2].slider("Confidence in %", 0, 100, (0, 100), key="confidence")
    order = columns[3].selectbox("Order", list(ORDERS), key="order")
    keep = rows["confidence"].between(low / 100, high / 100)
    if show != "all":
        keep &= right if show == "right" else ~right
    if true != ANY:
        keep &= rows["true"] == true
    if predicted != ANY:
        keep &= rows["predicted"] == predicted
    column, ascending = ORDERS[order]
    return rows[keep].sort_values(column, ascending=ascending, kind="stable")


def caption(true: str, predicted: str, confidence: float) -> str:
    """Verdict in words and sign, not in colour alone."""
    if true == predicted:
        return f":material/check_circle: **{plain(true, 28)}** {percent(confidence)}"
    return (
        f":material/cancel: **{plain(predicted, 28)}** {percent(confidence)}  \ntruly: **{plain(true, 28)}**"
    )


opening("Samples", "The validation images one by one: what they are, and what the classifier took them for.")
run = needed_run()
data = needed_dataset()
rows = filtered(run.predictions, run.classes)
st.caption(f"{len(rows):,} of {len(run.predictions):,} validation images")
if rows.empty:
    st.info("No image passes these filters; widen them.", icon=":material/filter_alt_off:")
else:
    shown = rows.iloc[list(paged(len(rows), "samples_page"))]
    gallery(
        (thumbnail(data, row.file), caption(row.true, row.predicted, row.confidence))
        for row in shown.itertuples()
    )
next_page("predict", "Try it on new photos")
