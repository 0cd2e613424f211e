"""The loss and the scores of a training, epoch by epoch."""

from functools import partial

import pandas as pd
import streamlit as st

from app.shared.cached_charts import draw_chart
from vitcore.charts import loss_chart, score_chart
from vitcore.language import listed, ntr, number, tr
from vitcore.runs import Run
from vitcore.training import Hyperparameters

__all__ = ["draw_curves"]


def draw_curves(run: Run) -> None:
    """Draw the loss and score curves of a run, side by side."""
    history = run.history
    epochs = run.hyperparameters.epochs
    best = _best_epoch(history, run.hyperparameters) if len(history) else None
    smooth = st.toggle(tr("Smooth the curves"), key="smooth", persist_state="session")
    left, right = st.columns(2)
    key = run.id, run.state, len(history), best, smooth, len(run.repeats)
    for column, chart, shows in (
        (left, loss_chart, tr("Loss by epoch")),
        (right, score_chart, tr("Scores by epoch")),
    ):
        with column:
            draw_chart(
                (shows, *key),
                partial(chart, history, epochs, best, smooth=smooth, folds=run.repeats),
                shows,
            )
    if run.hyperparameters.head == "linear" and run.hyperparameters.optimizer != "lbfgs":
        st.caption(
            tr(
                "The first epochs do so well because a good solution is computed directly, by linear "
                "discriminant analysis; the training goes from chance to it and refines it."
            )
        )
    if len(run.repeats):
        counts = run.repeats.groupby("kind")["number"].nunique().to_dict()
        parts = []
        if folds := counts.get("fold", 0):
            parts.append(ntr("{count} fold", "{count} folds", folds).format(count=number(folds)))
        if seeds := counts.get("seed", 0):
            parts.append(ntr("{count} other seed", "{count} other seeds", seeds).format(count=number(seeds)))
        st.caption(tr("The bands are mean ± standard deviation of {what}.").format(what=listed(parts)))


def _best_epoch(history: pd.DataFrame, hyperparameters: Hyperparameters) -> int:
    """Return the best epoch so far by what the training monitors; of equals, that of the lower loss."""
    monitor = hyperparameters.monitor
    by_loss = history.sort_values("validation_loss", kind="stable")
    if monitor != "loss":
        by_loss = by_loss.sort_values(monitor, ascending=False, kind="stable")
    return int(by_loss["epoch"].iloc[0])
