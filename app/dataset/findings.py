"""The findings on the photos of a dataset, each with its pictures and its remedies."""

from collections.abc import Hashable, Sequence

import pandas as pd
import streamlit as st

from app.dataset.editing import PARTS
from app.shared.edits import apply_edit
from app.shared.job_kinds import CHECK
from app.shared.jobs import is_active, start
from app.shared.layout import draw_pagination
from app.shared.pictures import draw_thumbnail
from app.shared.state import workspace
from app.shared.text import escape_markdown
from vitcore.audit import Measures, find_issues, measure
from vitcore.backbone import choose_device
from vitcore.dataset import Dataset, Finding, exclude, relabel
from vitcore.language import mark, ntr, number, tr, translated

__all__ = ["cached_findings", "draw_findings"]

GROUPS = 6  # of a finding, that are shown at once
IN_A_ROW = 4

TITLES = {
    "contradiction": (mark("One photo, two classes"), "call_split"),
    "leak": (mark("Photos on both sides of the split"), "water_drop"),
    "copies": (mark("Exact copies"), "content_copy"),
    "near_duplicates": (mark("Photos that look alike"), "filter_none"),
    "format_tells": (mark("The file format gives the class away"), "draft"),
    "size_tells": (mark("The size gives the class away"), "aspect_ratio"),
    "empty": (mark("Nearly nothing on it"), "check_box_outline_blank"),
    "blurry": (mark("Blurred"), "blur_on"),
    "dark": (mark("Very dark"), "brightness_2"),
    "bright": (mark("Very bright"), "brightness_7"),
    "odd_size": (mark("Unusual size"), "photo_size_select_large"),
    "odd_shape": (mark("Unusual shape"), "crop_16_9"),
}


def cached_findings(data: Dataset, measures: Measures | None) -> tuple[Finding, ...]:
    """Return what is wrong with a dataset; every click on the page draws it."""
    measured = measures and (measures.fingerprint, len(measures.compared))
    return _findings((data.id, data.version, measured), data, measures)


@st.cache_data(show_spinner=False, max_entries=8)
def _findings(key: Hashable, _data: Dataset, _measures: Measures | None) -> tuple[Finding, ...]:  # noqa: ARG001
    return find_issues(_data, _measures)


def draw_findings(data: Dataset, measures: Measures | None, findings: Sequence[Finding]) -> None:
    """Draw the findings on the present version of a dataset, and the button that looks closer."""
    st.subheader(tr("Check the photos"), anchor=False)
    unseen = len(data.index) if measures is None else measures.missing(data)
    checking = is_active(CHECK)
    with st.container(horizontal=True, vertical_alignment="center"):
        if checking:
            st.caption(
                tr(":material/hourglass_top: The photos are being looked at; the sidebar says how far it is.")
            )
        elif unseen and st.button(tr("Look closer"), icon=":material/troubleshoot:", key="check"):
            _start_check(data)
            st.rerun()
        if unseen and not checking:
            st.caption(
                ntr(
                    "{count} photo has not been looked at for blur, darkness and look-alikes. It passes the "
                    "Vision Transformer once, which a training needs anyway.",
                    "{count} photos have not been looked at for blur, darkness and look-alikes. Each one "
                    "passes the Vision Transformer once, which a training needs anyway.",
                    unseen,
                ).format(count=number(unseen))
            )
    if not findings and not unseen:
        st.success(tr("Nothing suspicious was found."), icon=":material/verified:")
    rows = data.index.set_index("image_id")
    for finding in findings:
        title, icon = TITLES[finding.kind]
        with st.expander(f"{tr(title)} ({number(len(finding.groups))})", icon=f":material/{icon}:"):
            _finding(data, rows, finding)


def _start_check(data: Dataset) -> None:
    start(
        CHECK,
        data.name,
        lambda job: measure(data, workspace=workspace(), task=job.task),
        device=choose_device().name,
        result_id=data.id,
        uses=(data.folder,),
    )


@st.fragment
def _finding(data: Dataset, rows: pd.DataFrame, finding: Finding) -> None:
    st.markdown(escape_markdown(translated(finding.sentence), 500))
    if "keep_one" in finding.remedies and len(finding.groups) > 1:
        extra = [image_id for group in finding.groups for image_id in group[1:]]
        label = tr("Keep the first of each, remove the other {count}").format(count=number(len(extra)))
        if st.button(label, icon=":material/filter_1:", key=f"keep_first_{finding.kind}"):
            apply_edit(exclude, data, extra)
    shown = [
        finding.groups[place]
        for place in draw_pagination(len(finding.groups), f"finding_{data.id}_{finding.kind}", GROUPS)
    ]
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
        st.caption(tr("and {count} more").format(count=number(len(group) - IN_A_ROW)))
    key = f"{finding.kind}_{group[0]}"
    with st.container(horizontal=True, gap="small"):
        if "relabel" in finding.remedies:
            for label in sorted(rows.loc[list(group), "label"].unique()):
                name = tr("All {name}").format(name=escape_markdown(label, 24))
                if st.button(name, icon=":material/label:", key=f"all_{key}_{label}"):
                    apply_edit(relabel, data, group, label)
        can_keep = "keep_one" in finding.remedies and len(group) > 1
        if can_keep and st.button(tr("Keep the first"), icon=":material/filter_1:", key=f"keep_{key}"):
            apply_edit(exclude, data, group[1:])


def _picture(data: Dataset, rows: pd.DataFrame, finding: Finding, image_id: int) -> None:
    row = rows.loc[image_id]
    with st.container(width=150, gap="xsmall"):
        draw_thumbnail(data, row["file"])
        facts = [f"**{escape_markdown(row['label'], 24)}**"]
        if row["split"]:
            facts.append(tr(PARTS[row["split"]]))
        if finding.kind in {"odd_size", "odd_shape", "size_tells"}:
            facts.append(f"{row['width']} × {row['height']}")
        if finding.kind == "format_tells":
            facts.append(escape_markdown(row["format"]))
        st.caption(" · ".join(facts))
        if "exclude" in finding.remedies and st.button(
            tr("Remove"), icon=":material/remove_circle:", key=f"out_{finding.kind}_{image_id}"
        ):
            apply_edit(exclude, data, [image_id])
