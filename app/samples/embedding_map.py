"""The map: images as points, alike ones side by side; a click or a frame shows the images behind them."""

import math
from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from app.samples.gallery import Samples, draw_pictures
from app.shared.cached_charts import draw_chart
from app.shared.layout import draw_pagination, draw_switch
from app.shared.messages import error_text
from app.shared.pictures import draw_thumbnail
from app.shared.results import cached_vectors, results_version
from app.shared.text import escape_markdown
from vitcore.charts import embedding_chart
from vitcore.dataset import Dataset
from vitcore.errors import VitcoreError
from vitcore.evaluation import project
from vitcore.language import number, percent, tr
from vitcore.runs import Run

__all__ = ["draw_map"]

DRAWN = 3000  # points of each part; more are slow to send and hide each other
LEARNED = 24  # training images shown at once
MOST = 0.8  # share of the differences that makes a map nearly the whole story


def draw_map(data: Dataset, run: Run, samples: Samples) -> npt.NDArray[np.int64]:
    """Draw the map, and below it the images that were chosen on it; the ids of these."""
    try:
        found = cached_vectors(run)
    except VitcoreError as error:
        reason = error_text(error)
        st.info(tr("There is no map of this run.") + f" {reason}", icon=":material/map:")
        return np.empty(0, dtype=np.int64)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        by = draw_switch(tr("Colour"), {"class": tr("By class"), "mistake": tr("By mistake")}, "map_by")
        only = st.toggle(tr("Validation only"), True, key="map_validation_only", persist_state="session")
    with st.spinner(tr("Drawing the map …")):
        places, share = _places(results_version(run), run)
    points = found.rows.assign(x=places[:, 0], y=places[:, 1])
    judged = samples.rows.merge(points[["image_id", "x", "y"]], on="image_id")
    learned = None if only else points[points["part"] == "train"]
    event = draw_chart(
        ("map", results_version(run), by, only),
        lambda: embedding_chart(
            _drawn(judged), by, run.classes, None if learned is None else _drawn(learned)
        ),
        tr("Map of the images by their embeddings"),
        key=f"map_{run.id}_{by}_{only}",
        on_select="rerun",
    )
    _explain(judged, learned, share)
    return _below(data, run, judged, learned, event["selection"])


def _drawn(rows: pd.DataFrame) -> pd.DataFrame:
    """Return no more points than can be drawn, up to half of them mistakes, which would be lost otherwise."""
    if len(rows) <= DRAWN:
        return rows
    shuffled = rows.sample(frac=1, random_state=0)
    if "right" not in rows:
        return shuffled.head(DRAWN)
    wrong = shuffled[~shuffled["right"]].head(DRAWN // 2)
    return pd.concat([wrong, shuffled[shuffled["right"]].head(DRAWN - len(wrong))])


def _explain(judged: pd.DataFrame, learned: pd.DataFrame | None, share: float) -> None:
    sentences = [tr("Photos that the Vision Transformer finds alike lie close together.")]
    if share < MOST:
        part = tr("These two directions hold {share} of all differences; the others cannot be seen here.")
        sentences.append(part.format(share=percent(share)))
    elif not math.isnan(share):
        part = tr("These two directions hold {share} of all differences.")
        sentences.append(part.format(share=percent(share)))
    if learned is not None:
        sentences.append(tr("Small pale points are photos that it learned from."))
    if max(len(judged), 0 if learned is None else len(learned)) > DRAWN:
        drawn = tr("{count} points of each kind are drawn, mistakes above all; a frame finds all.")
        sentences.append(drawn.format(count=number(DRAWN)))
    st.caption(" ".join(sentences))


# --- what is chosen ----------------------------------------------------------------------------


def _below(
    data: Dataset, run: Run, judged: pd.DataFrame, learned: pd.DataFrame | None, selection: dict
) -> npt.NDArray[np.int64]:
    """Draw the images of the points that were clicked, or in the frame that was drawn; return their ids."""
    region = selection.get("region") or {}
    if region:
        shown = judged[_inside(judged, region)]
        others = None if learned is None else learned[_inside(learned, region)]
    else:
        ids = [item["image_id"] for item in selection.get("point") or []]
        shown, others = judged[judged["image_id"].isin(ids)], None
    if shown.empty and (others is None or others.empty):
        st.info(
            tr("Click a point, or drag a frame around some, to see the photos."), icon=":material/ads_click:"
        )
        return np.empty(0, dtype=np.int64)
    right = int(shown["right"].sum())
    st.markdown(
        tr("**Validation images: {count}** ({right} right, {wrong} wrong)").format(
            count=number(len(shown)), right=number(right), wrong=number(len(shown) - right)
        )
    )
    draw_pictures(data, run, shown.iloc[list(draw_pagination(len(shown), "map_page"))], "map_gallery")
    if others is not None and len(others):
        st.markdown(tr("**Images that it learned from: {count}**").format(count=number(len(others))))
        with st.container(horizontal=True, gap="small", key="map_learned"):
            for row in others.head(LEARNED).itertuples():
                with st.container(width=110, gap="xsmall"):
                    draw_thumbnail(data, row.file)
                    st.caption(escape_markdown(row.label, 18))
        if len(others) > LEARNED:
            more = tr("and {count} more; draw a smaller frame to see them")
            st.caption(more.format(count=number(len(others) - LEARNED)))
    return shown["image_id"].to_numpy()


def _inside(rows: pd.DataFrame, region: dict[str, list[float]]) -> pd.Series:
    inside = pd.Series(True, index=rows.index)
    for axis, (start, end) in region.items():
        inside &= rows[axis].between(min(start, end), max(start, end))
    return inside


@st.cache_resource(show_spinner=False, max_entries=4)
def _places(key: Hashable, _run: Run) -> tuple[npt.NDArray[np.float32], float]:  # noqa: ARG001
    return project(cached_vectors(_run).vectors)
