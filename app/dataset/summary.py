"""A dataset at a glance: its figures, what is good and bad about it, the import report, two charts."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.dataset.editing import PARTS, split_in_words
from app.shared.cached_charts import draw_chart
from app.shared.class_editor import draw_class_editor
from app.shared.layout import draw_metrics
from app.shared.text import escape_markdown, spreadsheet_of
from vitcore import charts
from vitcore.dataset import Dataset, Finding, import_report, remarks
from vitcore.language import mark, ntr, number, tr, translated
from vitcore.messages import Message

__all__ = ["draw_overview", "draw_summary"]

TALL = 16  # classes, from which on their chart is scrolled
ABOUT = {  # of the import report
    "skipped file": mark("skipped file"),
    "ignored": mark("ignored"),
    "warning": mark("warning"),
    "class": mark("class"),
    "split": mark("split"),
    "unlabelled": mark("without a label"),
    "labelled by a classifier": mark("labelled by a classifier"),
    "removed": mark("removed"),
    "format": mark("format"),
    "size in pixels": mark("size in pixels"),
    "change": mark("change"),
}


def draw_summary(data: Dataset, findings: Sequence[Finding]) -> None:
    """Draw what came in, and what is good and bad about it."""
    sizes = data.index[["width", "height"]].value_counts()
    width, height = sizes.index[0]
    count = int(sizes.iloc[0])
    draw_metrics(
        [
            (
                tr("Photos"),
                number(len(data.index)),
                tr("Version {number} of this dataset.").format(number=number(data.version)),
            ),
            (tr("Classes"), number(len(data.classes)), None),
            (
                tr("Files skipped"),
                number(len(data.skipped)),
                tr("Listed with their reasons in the import report."),
            ),
            (
                tr("Usual size"),
                f"{width} × {height}",
                ntr(
                    "{count} photo has this size in pixels.",
                    "{count} photos have this size in pixels.",
                    count,
                ).format(count=number(count)),
            ),
        ]
    )
    if data.split_counts.keys() - {"test"}:
        st.info(
            tr("This set comes with its own split, which is kept: {parts}.").format(
                parts=split_in_words(data.split_counts)
            ),
            icon=":material/call_split:",
        )
    with st.container(border=True):
        for note in data.notes:
            st.markdown(f":orange[:material/warning:] {escape_markdown(translated(note), 600)}")
        for remark in remarks(data.index, findings=findings):
            icon = ":green[:material/check_circle:]" if remark.good else ":orange[:material/warning:]"
            st.markdown(f"{icon} {escape_markdown(translated(remark.sentence), 600)}")
    _report(data)


def _report(data: Dataset) -> None:
    """Draw everything that the import did, as a table to look at and to take away."""
    skipped, ignored = len(data.skipped), data.ignored
    parts = [
        ntr("{count} file skipped", "{count} files skipped", skipped).format(count=number(skipped)),
        ntr("{count} system file ignored", "{count} system files ignored", ignored).format(
            count=number(ignored)
        ),
    ]
    title = tr("Import report: {parts}").format(parts=", ".join(parts))
    with st.expander(title, icon=":material/receipt_long:"):
        table = _spoken(import_report(data))
        st.dataframe(table, hide_index=True, width="stretch")
        st.download_button(
            tr("Download as CSV"),
            spreadsheet_of(table),
            "import-report.csv",
            "text/csv",
            on_click="ignore",
        )


def _spoken(table: pd.DataFrame) -> pd.DataFrame:
    """Return an import report in the language of now; names and sizes stay as they are."""
    rows = zip(table["about"], table["what"], strict=True)
    return pd.DataFrame(
        {
            tr("about"): [tr(ABOUT[about]) for about in table["about"]],
            tr("what"): [_subject(about, what) for about, what in rows],
            tr("detail"): [_in_words(detail) for detail in table["detail"]],
        }
    )


def _subject(about: str, what: str | Message) -> str:
    """Return what a row of the import report is about."""
    return tr(PARTS[what]) if about == "split" else _in_words(what)


def _in_words(text: str | Message) -> str:
    """Return a message in the language of now, and a name as it is."""
    return translated(text) if isinstance(text, Message) else text


def draw_overview(data: Dataset) -> None:
    """Draw class counts and image sizes."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(tr("Photos per class"), anchor=False)
        with st.container(height=380 if len(data.classes) > TALL else "content", border=False):
            draw_chart(
                ("classes", data.id, data.version),
                lambda: charts.class_count_chart(data.class_counts),
                tr("Photos per class"),
            )
        draw_class_editor(data)
    with right:
        st.subheader(tr("Sizes"), anchor=False)
        draw_chart(
            ("sizes", data.id, data.version),
            lambda: charts.size_chart(data.index),
            tr("Widths and heights of the photos"),
        )
