"""Dataset: photos come in, are checked and shown."""

from collections import Counter

import pandas as pd
import streamlit as st

from app.jobs import import_upload, start_import
from app.parts import figures, gallery, next_page, opening, paged
from app.state import dataset, job_queue, runs_of, workspace
from app.text import plain
from vitcore.charts import class_count_chart
from vitcore.dataset import SAMPLE, Dataset
from vitcore.errors import VitcoreError
from vitcore.runs import delete_run

ALL = "All classes"


def bring_in(*, expanded: bool) -> None:
    """The ways in: an upload, the sample set, a path on this computer."""
    with st.expander("Bring in photos", expanded=expanded, icon=":material/upload:"):
        st.markdown(
            "Put the photos of each class into a folder with the name of the class, and pack the folders "
            "into one **zip** (or tar) file."
        )
        generation = st.session_state.setdefault("upload_generation", 0)
        upload = st.file_uploader(
            "Archive with one folder per class",
            type=["zip", "tar", "gz", "tgz", "bz2", "xz"],
            key=f"upload_{generation}",
            label_visibility="collapsed",
        )
        if upload is not None:
            # A new key gives an empty uploader; the bytes are on the disk by then.
            st.session_state["upload_generation"] += 1
            import_upload(upload)
            st.rerun()
        left, right = st.columns([1, 2], vertical_alignment="bottom")
        if left.button(
            "Use the sample set", icon=":material/draw:", type="primary" if expanded else "secondary"
        ):
            start_import(SAMPLE)
            st.rerun()
        left.caption("1,797 handwritten digits, already here.")
        with right.form("server_path", border=False):
            path = st.text_input("Or a folder or archive on this computer", placeholder="/home/me/photos")
            if st.form_submit_button("Import") and path.strip():
                start_import(path.strip())
                st.rerun()


def report(data: Dataset) -> None:
    """What the import found."""
    sizes = data.index["width"].astype(str) + " × " + data.index["height"].astype(str)
    common, count = Counter(sizes).most_common(1)[0]
    figures(
        [
            ("Images", f"{len(data.index):,}", None),
            ("Classes", str(len(data.classes)), None),
            ("Files skipped", str(len(data.skipped)), None),
            ("Usual size", common, f"{count} images have this size in pixels."),
        ]
    )
    for warning in data.warnings:
        st.warning(plain(warning, 400), icon=":material/warning:")
    if data.split_counts:
        parts = ", ".join(f"{count} {part}" for part, count in sorted(data.split_counts.items()))
        st.info(f"This set comes with its own split, which is kept: {parts}.", icon=":material/call_split:")
    if data.skipped or data.ignored:
        with st.expander(
            f"Import report: {len(data.skipped)} files skipped, {data.ignored} system files ignored"
        ):
            table = pd.DataFrame(
                [(item.name, item.reason) for item in data.skipped], columns=["file", "reason"]
            )
            st.dataframe(table, hide_index=True, width="stretch")
            st.download_button(
                "Download as CSV",
                table.to_csv(index=False),
                "import-report.csv",
                "text/csv",
                on_click="ignore",
            )


def browse(data: Dataset) -> None:
    """Class counts and the images themselves."""
    left, right = st.columns([2, 5], gap="large")
    with left:
        st.subheader("Images per class", anchor=False)
        st.altair_chart(class_count_chart(data.class_counts), width="stretch", alt="Images per class")
    with right:
        st.subheader("Look through them", anchor=False)
        label = st.selectbox(
            "Class", [ALL, *data.classes], key=f"class_{data.id}", label_visibility="collapsed"
        )
        rows = data.index if label == ALL else data.index[data.index["label"] == label]
        if label == ALL:
            # One class after the other would show only the first on this page.
            rows = rows.sample(frac=1, random_state=0)
        st.caption("The centre of each photo, which is what the classifier looks at.")
        shown = rows.iloc[list(paged(len(rows), f"page_{data.id}"))]
        gallery(
            (_thumbnail(data, file), plain(label, 24))
            for file, label in zip(shown["file"], shown["label"], strict=True)
        )


def _thumbnail(data: Dataset, file: str):  # noqa: ANN202
    try:
        return data.thumbnail(file)
    except (VitcoreError, OSError):
        return None


def manage(data: Dataset) -> None:
    """Deleting the dataset, with what hangs on it."""
    runs = runs_of(data.id)
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
bring_in(expanded=data is None and not importing)
if importing:
    st.info("Photos are being read; they appear here when all are checked.", icon=":material/hourglass_top:")
if data is not None:
    st.header(plain(data.name), anchor=False)
    report(data)
    browse(data)
    next_page("train", "Train a classifier on these photos")
    manage(data)
