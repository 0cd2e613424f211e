"""Evaluate: how good the chosen classifier is on images it never learned from."""

import json
import math

import numpy as np
import pandas as pd
import streamlit as st

from app.jobs import draw_curves
from app.parts import figures, needed_run, next_page, opening
from app.text import decimals, percent, plain, span_sentence
from vitcore.charts import confusion_chart
from vitcore.evaluation import Evaluation

MEANING = {
    "accuracy": ("Accuracy", "Share of images whose class was recognised."),
    "balanced_accuracy": ("Balanced accuracy", "The same, each class counting equally."),
    "cohen_kappa": ("Cohen's kappa", "Agreement beyond guessing; 1 is perfect, 0 is guessing."),
    "macro_f1": ("Macro F1", "Precision and recall in one, averaged over the classes."),
    "top_3_accuracy": ("Top 3", "Share of images whose class was among the three most probable."),
    "log_loss": ("Log loss", "Punishes confident mistakes; lower is better."),
    "expected_calibration_error": (
        "Calibration error",
        "How far the stated confidence is from the truth on average; lower is better.",
    ),
}
SHARES = {"accuracy", "top_3_accuracy", "balanced_accuracy", "expected_calibration_error"}


def number(name: str, value: float) -> str:
    """A metric as text: percentages for shares."""
    return percent(value) if name in SHARES else decimals(value)


def metric_table(evaluation: Evaluation) -> pd.DataFrame:
    """One row per metric, with its interval and what it means."""
    rows = []
    for name, metric in evaluation.metrics.items():
        title, meaning = MEANING[name]
        known = not math.isnan(metric.low)
        spread = f"{number(name, metric.low)} to {number(name, metric.high)}" if known else ""
        rows.append((title, number(name, metric.value), spread, meaning))
    return pd.DataFrame(rows, columns=["metric", "value", "95 % interval", "meaning"])


def worst_confusions(evaluation: Evaluation) -> list[str]:
    """The three most frequent mistakes, as sentences."""
    mistakes = evaluation.confusion.copy()
    np.fill_diagonal(mistakes, 0)
    sentences = []
    for cell in np.argsort(-mistakes, axis=None, kind="stable")[:3]:
        true, predicted = divmod(int(cell), len(evaluation.classes))
        if count := int(mistakes[true, predicted]):
            sentences.append(
                f"- **{plain(evaluation.classes[true])}** was taken for "
                f"**{plain(evaluation.classes[predicted])}** {count} time{'s' * (count != 1)}"
            )
    return sentences


opening("Evaluate", "How good the classifier is on images that it never learned from.")
run = needed_run()
evaluation = run.evaluation
accuracy = evaluation.metrics["accuracy"]
figures(
    (MEANING[name][0], number(name, evaluation.metrics[name].value), MEANING[name][1])
    for name in ("accuracy", "balanced_accuracy", "cohen_kappa")
)
st.markdown(f"#### {span_sentence(accuracy.low, accuracy.high)}")
st.caption(f"Judged on {evaluation.images:,} validation images; the more there are, the narrower this range.")
if run.state == "stopped":
    st.info(
        "This training was stopped early; its best epoch until then is judged.", icon=":material/stop_circle:"
    )

if leak := run.facts.get("leak"):
    without = leak["accuracy_without"]
    rest = "no other is left" if without is None else f"without them the accuracy is **{percent(without)}**"
    st.warning(
        f"{leak['images']:,} of the validation images, or photos that look just like them, are among the "
        "training images of this ready-made split. With them the accuracy is "
        f"**{percent(leak['accuracy'])}**; {rest}.",
        icon=":material/water_drop:",
    )
if crossed := run.facts.get("cross_validation"):
    accuracies = pd.Series(crossed["accuracy"], dtype="float64")
    st.info(
        f"Trained anew on {crossed['folds']} other divisions of the same photos: accuracy "
        f"**{percent(accuracies.mean())} ± {percent(accuracies.std())}** "
        f"({percent(accuracies.min())} to {percent(accuracies.max())}).",
        icon=":material/donut_small:",
    )

table = metric_table(evaluation)
st.dataframe(table, hide_index=True, width="stretch")

st.subheader("Which classes are confused", anchor=False)
by_row = st.toggle("Shares of each true class instead of counts", key="by_row", persist_state="session")
chart = confusion_chart(
    evaluation.confusion, evaluation.classes, by_row=by_row, dark=st.context.theme.type == "dark"
)
left, right = st.columns([3, 1], gap="large")
left.altair_chart(
    chart, width="content", alt="Confusion matrix: true classes as rows, predicted ones as columns"
)
with right:
    if sentences := worst_confusions(evaluation):
        st.markdown("**Most frequent mistakes**\n\n" + "\n".join(sentences))
    else:
        st.markdown("There is not a single mistake.")
    st.caption("Rows are the true classes; the diagonal is right.")

st.subheader("Class by class", anchor=False)
st.caption(
    "The weakest classes first. Recall: how many of its images were found. Precision: how many of those "
    "called so are."
)
per_class = evaluation.per_class().sort_values("recall", kind="stable")
share = st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")
st.dataframe(
    per_class[["class", "recall", "precision", "f1", "support"]],
    hide_index=True,
    width="stretch",
    column_config={
        "recall": share,
        "precision": share,
        "f1": st.column_config.NumberColumn("F1", format="%.3f"),
        "support": st.column_config.NumberColumn("images"),
    },
)
st.subheader("How the training went", anchor=False)
draw_curves(run)
with st.container(horizontal=True):
    st.download_button(
        "Predictions (CSV)",
        run.predictions.to_csv(index=False),
        "predictions.csv",
        "text/csv",
        on_click="ignore",
    )
    st.download_button(
        "Figures (JSON)",
        json.dumps(evaluation.to_dict(), indent=2),
        "metrics.json",
        "application/json",
        on_click="ignore",
    )
next_page("samples", "Look at the images behind the figures")
