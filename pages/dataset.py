"""Dataset: photos come in, are checked, shown and mended."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

import pandas as pd
import streamlit as st

from app.dataset.editing import PARTS, draw_browser, draw_class_editor, split_in_words
from app.dataset.findings import draw_findings
from app.dataset.grouping import draw_groups
from app.dataset.importing import draw_import
from app.dataset.testing import draw_test_part
from app.shared.cached_charts import draw_chart
from app.shared.job_kinds import IMPORT
from app.shared.jobs import is_active
from app.shared.layout import draw_metrics, draw_next_page, draw_opening
from app.shared.messages import draw_error, notify_error, reported
from app.shared.state import chosen_dataset, runs_of, workspace
from app.shared.text import escape_markdown, spreadsheet_of
from app.shared.variants import draw_variants
from vitcore import charts
from vitcore.audit import Measures, find_issues, load_measures
from vitcore.dataset import Dataset, Finding, import_report, list_damaged_datasets, remarks, rename_dataset
from vitcore.errors import StorageError
from vitcore.language import ntr, number, tr, translated
from vitcore.messages import Message
from vitcore.pipeline import delete_dataset

TALL = 16  # classes, from which on their chart is scrolled
ABOUT = {  # of the import report
    "skipped file": tr("skipped file"),
    "ignored": tr("ignored"),
    "warning": tr("warning"),
    "class": tr("class"),
    "split": tr("split"),
    "taken out": tr("taken out"),
    "format": tr("format"),
    "size in pixels": tr("size in pixels"),
    "change": tr("change"),
}


def summary(data: Dataset, findings: Sequence[Finding]) -> None:
    """Draw what came in, and what is good and bad about it."""
    sizes = data.index["width"].astype(str) + " × " + data.index["height"].astype(str)
    common, count = Counter(sizes).most_common(1)[0]
    draw_metrics(
        [
            (
                tr("Images"),
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
                common,
                ntr(
                    "{count} image has this size in pixels.",
                    "{count} images have this size in pixels.",
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
    report(data)


def report(data: Dataset) -> None:
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
        table = spoken(import_report(data))
        st.dataframe(table, hide_index=True, width="stretch")
        st.download_button(
            tr("Download as CSV"),
            spreadsheet_of(table),
            "import-report.csv",
            "text/csv",
            on_click="ignore",
        )


def spoken(table: pd.DataFrame) -> pd.DataFrame:
    """Return an import report in the language of now; names and sizes stay as they are."""
    rows = zip(table["about"], table["what"], strict=True)
    return pd.DataFrame(
        {
            tr("about"): table["about"].map(ABOUT),
            tr("what"): [subject(about, what) for about, what in rows],
            tr("detail"): [in_words(detail) for detail in table["detail"]],
        }
    )


def subject(about: str, what: str | Message) -> str:
    """Return what a row of the import report is about."""
    return tr(PARTS[what]) if about == "split" else in_words(what)


def in_words(text: str | Message) -> str:
    """Return a message in the language of now, and a name as it is."""
    return translated(text) if isinstance(text, Message) else text


def overview(data: Dataset) -> None:
    """Draw class counts and image sizes."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(tr("Images per class"), anchor=False)
        with st.container(height=380 if len(data.classes) > TALL else "content", border=False):
            draw_chart(
                ("classes", data.id, data.version),
                lambda: charts.class_count_chart(data.class_counts),
                tr("Images per class"),
            )
        draw_class_editor(data)
    with right:
        st.subheader(tr("Sizes"), anchor=False)
        draw_chart(
            ("sizes", data.id, data.version),
            lambda: charts.size_chart(data.index),
            tr("Widths and heights of the images"),
        )


@st.fragment
def views(data: Dataset) -> None:
    """Draw the variants of an image, from which a training may learn besides the image."""
    with st.expander(tr("What the variants of a photo look like"), icon=":material/auto_awesome_motion:"):
        st.markdown(
            tr(
                "With more than one **view per image**, the training also learns from variants of each "
                "photo: cut out, mirrored, brighter or paler. They are the same every time."
            )
        )
        draw_variants(data)


def manage(data: Dataset) -> None:
    """Draw the ways to rename and delete the dataset, with what hangs on it."""
    runs = runs_of(data.id)
    with st.container(horizontal=True):
        with st.popover(tr("Rename this dataset"), icon=":material/edit:", type="tertiary"):
            key = f"dataset_name_{data.id}"
            name = st.text_input(tr("Name"), data.name, max_chars=200, key=key).strip()
            if st.button(tr("Rename"), disabled=name in {"", data.name}, key="rename_dataset"):
                with reported(notify_error):
                    rename_dataset(data, name)
                st.rerun()
        with st.popover(tr("Delete this dataset"), icon=":material/delete:", type="tertiary"):
            sentences = [
                ntr(
                    "Deletes **{name}** with its only image.",
                    "Deletes **{name}** with its {count} images.",
                    len(data.index),
                ).format(name=escape_markdown(data.name), count=number(len(data.index)))
            ]
            if runs:
                sentences.append(
                    ntr(
                        "The classifier that was trained on it goes as well.",
                        "The {count} classifiers that were trained on it go as well.",
                        len(runs),
                    ).format(count=number(len(runs)))
                )
            st.markdown(" ".join(sentences))
            if st.button(tr("Delete for good"), type="primary", key=f"delete_{data.id}"):
                with reported(notify_error):
                    delete_dataset(data.id, workspace=workspace())
                st.rerun()


def cached_findings(data: Dataset, measures: Measures | None) -> tuple[Finding, ...]:
    """Return what is wrong with a dataset; every click on the page draws it."""
    measured = measures and (measures.fingerprint, len(measures.compared))
    return _findings((data.id, data.version, measured), data, measures)


@st.cache_data(show_spinner=False, max_entries=8)
def _findings(key: Hashable, _data: Dataset, _measures: Measures | None) -> tuple[Finding, ...]:  # noqa: ARG001
    return find_issues(_data, _measures)


def draw_damaged(damaged: Mapping[str, StorageError]) -> None:
    """Name datasets that are damaged, and offer to delete each."""
    for dataset_id, error in damaged.items():
        draw_error(error)
        label = tr("Delete the damaged dataset {name}").format(name=dataset_id)
        if st.button(label, icon=":material/delete:", key=f"delete_{dataset_id}"):
            with reported(notify_error):
                delete_dataset(dataset_id, workspace=workspace())
            st.rerun()


draw_opening(
    tr("Dataset"), tr("Bring in labelled photos; each one is checked before anything learns from it.")
)
importing = is_active(IMPORT)
draw_damaged(list_damaged_datasets(workspace()))
try:
    data = chosen_dataset()
except StorageError as error:
    draw_damaged({st.session_state["dataset"]: error})
    data = None
draw_import(data, expanded=data is None and not importing)
if importing:
    st.info(
        tr("Photos are being read; they appear here when all are checked."), icon=":material/hourglass_top:"
    )
if data is not None:
    st.header(escape_markdown(data.name), anchor=False)
    measures = load_measures(data)
    findings = cached_findings(data, measures)
    summary(data, findings)
    overview(data)
    draw_groups(data)
    draw_test_part(data)
    st.subheader(tr("Look through them"), anchor=False)
    draw_browser(data)
    draw_findings(data, measures, findings)
    views(data)
    draw_next_page("train", tr("Train a classifier on these photos"))
    manage(data)
