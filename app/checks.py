"""What may be wrong with the photos of a dataset, each finding with its pictures and its remedies."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.editing import apply_edit
from app.jobs import start_check
from app.parts import thumbnail
from app.state import job_queue
from app.text import plain
from vitcore.audit import Finding, find_issues, load_measures
from vitcore.dataset import Dataset, exclude, relabel
from vitcore.errors import VitcoreError

__all__ = ["checks"]

GROUPS = 6  # of a finding, that are shown at once
IN_A_ROW = 4

TITLES = {
    "contradiction": ("One photo, two classes", "call_split"),
    "leak": ("Photos on both sides of the split", "water_drop"),
    "copies": ("Exact copies", "content_copy"),
    "near_duplicates": ("Photos that look alike", "filter_none"),
    "format_tells": ("The file format gives the class away", "draft"),
    "size_tells": ("The size gives the class away", "aspect_ratio"),
    "empty": ("Nearly nothing on it", "check_box_outline_blank"),
    "blurry": ("Blurred", "blur_on"),
    "dark": ("Very dark", "brightness_2"),
    "bright": ("Very bright", "brightness_7"),
    "odd_size": ("Unusual size", "photo_size_select_large"),
    "odd_shape": ("Unusual shape", "crop_16_9"),
}


def checks(data: Dataset) -> None:
    """The findings on the present version of a dataset, and the button that looks closer."""
    st.subheader("Check the photos", anchor=False)
    try:
        measures = load_measures(data)
        findings = find_issues(data, measures)
    except VitcoreError as error:
        st.error(plain(str(error), 300), icon=":material/error:")
        return
    unseen = len(data.index) if measures is None else measures.missing(data)
    checking = any(job.kind == "check" for job in job_queue().active())
    with st.container(horizontal=True, vertical_alignment="center"):
        if checking:
            st.caption(
                ":material/hourglass_top: The photos are being looked at; the sidebar says how far it is."
            )
        elif unseen and st.button("Look closer", icon=":material/troubleshoot:", key="check"):
            start_check(data)
            st.rerun()
        if unseen and not checking:
            st.caption(
                f"{unseen:,} photos have not been looked at for blur, darkness and look-alikes. Each one "
                "passes the Vision Transformer once, which a training needs anyway."
            )
    if not findings and not unseen:
        st.success("Nothing suspicious was found.", icon=":material/verified:")
    rows = data.index.set_index("image_id")
    for finding in findings:
        title, icon = TITLES[finding.kind]
        with st.expander(f"{title} ({len(finding.groups):,})", icon=f":material/{icon}:"):
            _finding(data, rows, finding)


@st.fragment
def _finding(data: Dataset, rows: pd.DataFrame, finding: Finding) -> None:
    st.markdown(plain(finding.sentence, 500))
    if "keep_one" in finding.remedies and len(finding.groups) > 1:
        extra = [image_id for group in finding.groups for image_id in group[1:]]
        label = f"Keep the first of each, take out the other {len(extra):,}"
        if st.button(label, icon=":material/filter_1:", key=f"keep_first_{finding.kind}"):
            apply_edit(exclude, data, extra)
    pages = -(-len(finding.groups) // GROUPS)
    key = f"finding_{data.id}_{finding.kind}"
    if st.session_state.get(key, 1) > pages:
        st.session_state[key] = pages
    number = st.pagination(pages, key=key) if pages > 1 else 1
    shown = finding.groups[(number - 1) * GROUPS : number * GROUPS]
    single = all(len(group) == 1 for group in shown)
    with st.container(horizontal=True, gap="medium", key=f"groups_{finding.kind}"):
        for group in shown:
            with st.container(border=not single, width="content"):
                _group(data, rows, finding, group)


def _group(data: Dataset, rows: pd.DataFrame, finding: Finding, group: Sequence[int]) -> None:
    with st.container(horizontal=True, gap="small"):
        for image_id in group[:IN_A_ROW]:
            _picture(data, rows, finding, image_id)
    if len(group) > IN_A_ROW:
        st.caption(f"and {len(group) - IN_A_ROW} more")
    key = f"{finding.kind}_{group[0]}"
    with st.container(horizontal=True, gap="small"):
        if "relabel" in finding.remedies:
            for label in sorted(rows.loc[list(group), "label"].unique()):
                if st.button(f"All {plain(label, 24)}", icon=":material/label:", key=f"all_{key}_{label}"):
                    apply_edit(relabel, data, group, label)
        can_keep = "keep_one" in finding.remedies and len(group) > 1
        if can_keep and st.button("Keep the first", icon=":material/filter_1:", key=f"keep_{key}"):
            apply_edit(exclude, data, group[1:])


def _picture(data: Dataset, rows: pd.DataFrame, finding: Finding, image_id: int) -> None:
    row = rows.loc[image_id]
    with st.container(width=150, gap="xsmall"):
        path = thumbnail(data, row["file"])
        if path is None:
            st.caption(":material/broken_image: The picture is gone.")
        else:
            st.image(str(path), width="stretch")
        facts = [f"**{plain(row['label'], 24)}**"]
        if row["split"]:
            facts.append(plain(row["split"]))
        if finding.kind in {"odd_size", "odd_shape", "size_tells"}:
            facts.append(f"{row['width']} × {row['height']}")
        if finding.kind == "format_tells":
            facts.append(plain(row["format"]))
        st.caption(" · ".join(facts))
        if "exclude" in finding.remedies and st.button(
            "Take out", icon=":material/remove_circle:", key=f"out_{finding.kind}_{image_id}"
        ):
            apply_edit(exclude, data, [image_id])
