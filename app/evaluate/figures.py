"""The figures of a run: in words, compared with simpler methods, and class by class."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from app.shared.blocks import draw_blocks
from app.shared.layout import draw_pagination
from app.shared.pictures import draw_gallery
from app.shared.results import cached_review, cached_run
from app.shared.review import draw_review_start
from vitcore.dataset import Dataset
from vitcore.language import tr
from vitcore.report import baseline_table, class_blocks, figure_blocks, headline
from vitcore.runs import Run

__all__ = ["draw_figures", "draw_images", "true_classes"]


def true_classes(run: Run) -> npt.NDArray[np.int64]:
    """Return the class numbers of the validation images: (M,)."""
    numbers = {name: number for number, name in enumerate(run.classes)}
    return cached_run(run).predictions["true"].map(numbers).to_numpy(dtype=np.int64)


def draw_images(data: Dataset, rows: pd.DataFrame, caption: Callable[[tuple], str], key: str) -> None:
    """Draw the pictures of validation images with their captions, a page at a time."""
    shown = rows.iloc[list(draw_pagination(len(rows), key))]
    draw_gallery(data, ((row.file, caption(row)) for row in shown.itertuples()))


def draw_figures(run: Run, data: Dataset) -> None:
    """Draw the headline, all metrics, simpler methods, and the classes."""
    evaluation = cached_run(run).evaluation
    rule = "" if run.config.split is None else run.config.split.rule
    draw_blocks(
        [
            headline(evaluation, run.facts, rule=rule),
            *figure_blocks(evaluation, run.facts, stopped=run.state == "stopped", rule=rule),
        ]
    )
    st.subheader(tr("Compared with simpler methods"), anchor=False)
    review = cached_review(run)
    if review is None:
        draw_review_start(run, data, tr("How well would simpler methods do on the same photos?"))
    else:
        draw_blocks([baseline_table(review.baselines)])
    st.subheader(tr("Class by class"), anchor=False)
    draw_blocks(class_blocks(run.facts.thorough_evaluation(evaluation)))
