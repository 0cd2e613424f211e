"""The map: images as points, alike ones side by side; a click or a frame shows the images behind them."""

from collections.abc import Hashable
from importlib.util import find_spec
from typing import Any, Literal

import altair as alt
import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from app.parts import paged
from app.samples import Samples, draw_picture, draw_pictures, stamp, vectors_of
from app.text import percent, plain
from vitcore.charts import class_colours, embedding_chart
from vitcore.dataset import Dataset
from vitcore.errors import VitcoreError
from vitcore.runs import Run

__all__ = ["draw_map", "flat"]

Floats = npt.NDArray[np.float32]

DRAWN = 3000  # points of each part; more are slow to send and hide each other
LEARNED = 24  # training images shown at once
FITTED = 5000  # vectors that decide on the axes
PALE = "#9DB2BF"
CHUNK = 8192  # rows in single precision at once
MOST = 0.8  # share of the differences that makes a map nearly the whole story
WIDE = 50  # dimensions that are left for UMAP


def draw_map(data: Dataset, run: Run, samples: Samples) -> npt.NDArray[np.int64]:
    """Draw the map, and below it the images that were chosen on it; the ids of these."""
    try:
        found = vectors_of(run)
    except VitcoreError as error:
        st.info(f"There is no map of this run: {plain(str(error), 300)}", icon=":material/map:")
        return np.empty(0, dtype=np.int64)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        by = st.segmented_control(
            "Colour",
            ["class", "mistake"],
            default="class",
            required=True,
            format_func={"class": "By class", "mistake": "By mistake"}.__getitem__,
            key="map_by",
            label_visibility="collapsed",
            persist_state="session",
        )
        method = "pca"
        if find_spec("umap") is not None:
            method = st.segmented_control(
                "Projection",
                ["pca", "umap"],
                default="pca",
                required=True,
                format_func={"pca": "PCA", "umap": "UMAP"}.__getitem__,
                key="map_method",
                label_visibility="collapsed",
                persist_state="session",
            )
        only = st.toggle("Validation only", True, key="map_validation_only", persist_state="session")
    places, share = _places(stamp(run), run, method)
    points = found.rows.assign(x=places[:, 0], y=places[:, 1])
    judged = samples.rows.merge(points[["image_id", "x", "y"]], on="image_id")
    learned = None if only else points[points["part"] == "train"]
    event = st.vega_lite_chart(
        spec=_spec((stamp(run), by, method, only), judged, learned, by, run.classes),
        width="stretch",
        on_select="rerun",
        key=f"map_{run.id}_{by}_{method}_{only}",
        alt="Map of the images by their embeddings",
    )
    _explain(judged, learned, share)
    return _below(data, run, judged, learned, event["selection"])


@st.cache_data(show_spinner=False, max_entries=16)
def _spec(
    key: Hashable,  # noqa: ARG001 - stands for the rest
    _judged: pd.DataFrame,
    _learned: pd.DataFrame | None,
    _by: Literal["class", "mistake"],
    _classes: tuple[str, ...],
) -> dict[str, Any]:
    """The chart, made once: Altair takes half a second for thousands of points."""
    return _chart(_judged, _learned, _by, _classes).to_dict()


def _chart(
    judged: pd.DataFrame,
    learned: pd.DataFrame | None,
    by: Literal["class", "mistake"],
    classes: tuple[str, ...],
) -> alt.LayerChart:
    chart = embedding_chart(_drawn(judged), by, classes)
    if learned is None:
        return chart
    rows = _drawn(learned)[["x", "y", "name", "label"]].round({"x": 3, "y": 3})
    rows["colour"] = rows["label"].map(class_colours(classes)) if by == "class" else PALE
    data = alt.InlineData(values=[])  # filled later, or each row would be checked, which takes long
    data["values"] = rows.to_dict("records")
    pale = (
        alt.Chart(data)
        .mark_circle(size=14, opacity=0.35)
        .encode(
            x="x:Q",
            y="y:Q",
            # No scale, so that the legend stays that of the validation images.
            color=alt.Color("colour:N", scale=None, legend=None),
            tooltip=[alt.Tooltip("name:N"), alt.Tooltip("label:N", title="learned as")],
        )
    )
    chart.layer = [pale, *chart.layer]
    return chart


def _drawn(rows: pd.DataFrame) -> pd.DataFrame:
    """No more points than can be drawn, up to half of them mistakes, which would be lost otherwise."""
    if len(rows) <= DRAWN:
        return rows
    shuffled = rows.sample(frac=1, random_state=0)
    if "right" not in rows:
        return shuffled.head(DRAWN)
    wrong = shuffled[~shuffled["right"]].head(DRAWN // 2)
    return pd.concat([wrong, shuffled[shuffled["right"]].head(DRAWN - len(wrong))])


def _explain(judged: pd.DataFrame, learned: pd.DataFrame | None, share: float | None) -> None:
    text = "Photos that the Vision Transformer finds alike lie close together."
    if share is not None:
        text += f" These two directions hold {percent(share)} of all differences"
        text += "; the others cannot be seen here." if share < MOST else "."
    if learned is not None:
        text += " Small pale points are photos that it learned from."
    if max(len(judged), 0 if learned is None else len(learned)) > DRAWN:
        text += f" {DRAWN:,} points of each kind are drawn, mistakes above all; a frame finds all."
    st.caption(text)


# --- what is chosen ----------------------------------------------------------------------------


def _below(
    data: Dataset, run: Run, judged: pd.DataFrame, learned: pd.DataFrame | None, selection: dict
) -> npt.NDArray[np.int64]:
    """The images of the points that were clicked, or in the frame that was drawn."""
    region = selection.get("region") or {}
    if region:
        shown = judged[_inside(judged, region)]
        others = None if learned is None else learned[_inside(learned, region)]
    else:
        ids = [item["image_id"] for item in selection.get("point") or []]
        shown, others = judged[judged["image_id"].isin(ids)], None
    if shown.empty and (others is None or others.empty):
        st.info("Click a point, or drag a frame around some, to see the photos.", icon=":material/ads_click:")
        return np.empty(0, dtype=np.int64)
    right = int(shown["right"].sum())
    st.markdown(f"**Validation images: {len(shown):,}** ({right:,} right, {len(shown) - right:,} wrong)")
    draw_pictures(data, run, shown.iloc[list(paged(len(shown), "map_page"))], "map_gallery")
    if others is not None and len(others):
        st.markdown(f"**Images that it learned from: {len(others):,}**")
        with st.container(horizontal=True, gap="small", key="map_learned"):
            for row in others.head(LEARNED).itertuples():
                with st.container(width=110, gap="xsmall"):
                    draw_picture(data, row.file)
                    st.caption(plain(row.label, 18))
        if len(others) > LEARNED:
            st.caption(f"and {len(others) - LEARNED:,} more; draw a smaller frame to see them")
    return shown["image_id"].to_numpy()


def _inside(rows: pd.DataFrame, region: dict[str, list[float]]) -> pd.Series:
    inside = pd.Series(True, index=rows.index)
    for axis, (start, end) in region.items():
        inside &= rows[axis].between(min(start, end), max(start, end))
    return inside


# --- from many dimensions to two ---------------------------------------------------------------


@st.cache_resource(show_spinner="Drawing the map …", max_entries=4)
def _places(key: Hashable, _run: Run, method: str) -> tuple[Floats, float | None]:  # noqa: ARG001
    vectors = vectors_of(_run).vectors
    if method == "pca":
        return flat(vectors)
    from umap import UMAP

    wide, _ = flat(vectors, WIDE)
    return UMAP(n_components=2, random_state=0, n_jobs=1).fit_transform(wide), None


def flat(vectors: npt.NDArray[np.floating], dimensions: int = 2) -> tuple[Floats, float]:
    """Principal components of standardised vectors: (N, D) -> (N, 2).

    Args:
        vectors: (N, D). Some thousands decide on the axes, and all find their place on them.
        dimensions: How many are left, 2 or more.

    Returns:
        The places, and the share of the variance that they hold, 0 … 1.
    """
    from sklearn.decomposition import PCA

    few = vectors
    if len(few) > FITTED:
        few = vectors[np.sort(np.random.default_rng(0).choice(len(vectors), FITTED, replace=False))]
    few = few.astype(np.float32)
    mean, spread = few.mean(axis=0), few.std(axis=0)
    spread[spread == 0] = 1
    components = min(dimensions, *few.shape)
    pca = PCA(components, svd_solver="randomized", random_state=0).fit((few - mean) / spread)
    places = np.zeros((len(vectors), max(components, 2)), dtype=np.float32)
    for start in range(0, len(vectors), CHUNK):
        part = slice(start, start + CHUNK)
        places[part, :components] = pca.transform((vectors[part].astype(np.float32) - mean) / spread)
    return places, float(pca.explained_variance_ratio_.sum())
