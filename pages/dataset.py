"""Dataset: photos come in, are checked, shown and mended."""

import streamlit as st

from app.dataset.editing import draw_browser
from app.dataset.findings import cached_findings, draw_findings
from app.dataset.grouping import draw_groups, draw_series_question
from app.dataset.importing import draw_import, is_staged
from app.dataset.management import draw_damaged_datasets, draw_management
from app.dataset.summary import draw_overview, draw_summary
from app.dataset.testing import draw_test_part
from app.dataset.unlabelled import draw_unlabelled
from app.dataset.welcome import draw_welcome
from app.shared.job_kinds import IMPORT
from app.shared.jobs import is_active, is_arriving
from app.shared.layout import draw_next_page, draw_opening
from app.shared.state import chosen_dataset, workspace
from app.shared.text import escape_markdown
from app.shared.variants import draw_variants
from vitcore.audit import load_measures
from vitcore.dataset import Dataset, list_damaged_datasets
from vitcore.errors import StorageError
from vitcore.language import tr


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


importing = is_active(IMPORT) or is_arriving()
try:
    data, damaged = chosen_dataset(), {}
except StorageError as error:
    data, damaged = None, {st.session_state["dataset"]: error}
if is_staged():
    draw_opening(tr("Check before importing"), tr("Nothing is imported yet."))
elif data is None and not importing:
    draw_welcome()
else:
    draw_opening(tr("Dataset"), tr("The photos to learn from. Each one was checked when it came in."))
draw_damaged_datasets(list_damaged_datasets(workspace()) | damaged)
draw_import(data, expanded=not importing)
if importing:
    st.info(
        tr("Photos are being read; they appear here when all are checked."), icon=":material/hourglass_top:"
    )
if data is not None:
    st.header(escape_markdown(data.name), anchor=False)
    draw_unlabelled(data)
    if data.index.empty:
        draw_management(data)
        st.stop()
    draw_series_question(data)
    measures = load_measures(data)
    findings = cached_findings(data, measures)
    draw_summary(data, findings)
    draw_overview(data)
    draw_groups(data)
    draw_test_part(data)
    st.subheader(tr("Look through them"), anchor=False)
    draw_browser(data)
    draw_findings(data, measures, findings)
    views(data)
    draw_next_page("train", tr("Train a classifier on these photos"))
    draw_management(data)
