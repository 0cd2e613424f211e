"""Dataset: photos come in, are checked, shown and mended."""

from collections import Counter

import streamlit as st

from app.checks import checks
from app.drawing import draw_chart
from app.editing import browse, edit_classes
from app.intake import bring_in
from app.parts import figures, next_page, opening
from app.state import dataset, job_queue, runs_of, workspace
from app.text import plain
from app.variants import draw_variants
from vitcore.charts import class_count_chart, size_chart
from vitcore.dataset import Dataset, import_report, remarks, rename_dataset
from vitcore.errors import VitcoreError
from vitcore.runs import delete_run

TALL = 16  # classes, from which on their chart is scrolled


def summary(data: Dataset) -> None:
    """What came in, and what is good and bad about it."""
    sizes = data.index["width"].astype(str) + " × " + data.index["height"].astype(str)
    common, count = Counter(sizes).most_common(1)[0]
    figures(
        [
            ("Images", f"{len(data.index):,}", f"Version {data.version} of this dataset."),
            ("Classes", str(len(data.classes)), None),
            ("Files skipped", str(len(data.skipped)), "Listed with their reasons in the import report."),
            ("Usual size", common, f"{count} images have this size in pixels."),
        ]
    )
    if data.split_counts:
        parts = ", ".join(f"{count} {part}" for part, count in sorted(data.split_counts.items()))
        st.info(f"This set comes with its own split, which is kept: {parts}.", icon=":material/call_split:")
    with st.container(border=True):
        for remark in remarks(data.index):
            icon = ":green[:material/check_circle:]" if remark.good else ":orange[:material/warning:]"
            st.markdown(f"{icon} {plain(remark.sentence, 600)}")
    report(data)


def report(data: Dataset) -> None:
    """Everything that the import did, as a table to look at and to take away."""
    title = f"Import report: {len(data.skipped)} files skipped, {data.ignored} system files ignored"
    with st.expander(title, icon=":material/receipt_long:"):
        table = import_report(data)
        st.dataframe(table, hide_index=True, width="stretch")
        st.download_button(
            "Download as CSV",
            table.to_csv(index=False),
            "import-report.csv",
            "text/csv",
            on_click="ignore",
        )


def overview(data: Dataset) -> None:
    """Class counts and image sizes."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Images per class", anchor=False)
        with st.container(height=380 if len(data.classes) > TALL else "content", border=False):
            draw_chart(
                ("classes", data.id, data.version),
                lambda: class_count_chart(data.class_counts),
                "Images per class",
            )
        edit_classes(data)
    with right:
        st.subheader("Sizes", anchor=False)
        draw_chart(
            ("sizes", data.id, data.version),
            lambda: size_chart(data.index),
            "Widths and heights of the images",
        )


@st.fragment
def views(data: Dataset) -> None:
    """What the variants of an image look like, from which a training may learn besides the image."""
    with st.expander("What the variants of a photo look like", icon=":material/auto_awesome_motion:"):
        st.markdown(
            "With more than one **view per image**, the training also learns from variants of each photo: "
            "cut out, mirrored, brighter or paler. They are the same every time."
        )
        draw_variants(data)


def manage(data: Dataset) -> None:
    """Renaming and deleting the dataset, with what hangs on it."""
    runs = runs_of(data.id)
    with st.container(horizontal=True):
        with st.popover("Rename this dataset", icon=":material/edit:", type="tertiary"):
            name = st.text_input("Name", data.name, max_chars=200, key=f"dataset_name_{data.id}").strip()
            if st.button("Rename", disabled=name in {"", data.name}, key="rename_dataset"):
                try:
                    rename_dataset(data, name)
                except VitcoreError as error:
                    st.session_state["notice"] = ("failed", plain(str(error), 300))
                st.rerun()
        with st.popover("Delete this dataset", icon=":material/delete:", type="tertiary"):
            st.markdown(
                f"Deletes **{plain(data.name)}** with its {len(data.index):,} images"
                + (f" and the {len(runs)} classifiers trained on it." if runs else ".")
            )
            if st.button("Delete for good", type="primary", key=f"delete_{data.id}"):
                for run in runs:
                    delete_run(run.id, workspace=workspace())
                workspace().remove(data.folder)
                st.rerun()


opening("Dataset", "Bring in labelled photos; each one is checked before anything learns from it.")
importing = any(job.kind == "dataset" for job in job_queue().active())
data = dataset()
bring_in(data, expanded=data is None and not importing)
if importing:
    st.info("Photos are being read; they appear here when all are checked.", icon=":material/hourglass_top:")
if data is not None:
    st.header(plain(data.name), anchor=False)
    summary(data)
    overview(data)
    st.subheader("Look through them", anchor=False)
    browse(data)
    checks(data)
    views(data)
    next_page("train", "Train a classifier on these photos")
    manage(data)
