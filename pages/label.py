"""Label: photos without labels get some, a group or a page at a time."""

import streamlit as st

from app.label.finish import draw_finish
from app.label.groups import draw_label_groups
from app.label.session import labelling_session, progress_in_words
from app.label.teach import draw_estimate, draw_teaching
from app.shared.class_editor import draw_class_editor
from app.shared.edits import draw_undo_button
from app.shared.layout import draw_empty_state, draw_opening, draw_section
from app.shared.state import chosen_dataset
from app.shared.text import escape_markdown
from vitcore.language import mark, tr

WAYS = {
    "groups": (mark(":material/groups: Groups"), draw_label_groups),
    "teach": (mark(":material/school: Teach"), draw_teaching),
    "finish": (mark(":material/done_all: Finish"), draw_finish),
}

draw_opening(
    tr("Label"),
    tr("Name groups of photos, confirm pages of guesses, and stop when they are good enough."),
)
data = chosen_dataset()
if data is None:
    draw_empty_state(tr("There are no photos yet."), "dataset", tr("Go to Dataset"), sample=True)
if not (len(data.unlabelled) or len(data.machine_labelled)):
    draw_empty_state(tr("Every photo of this dataset has a label."), "train", tr("Go to Train"))
st.header(escape_markdown(data.name), anchor=False)
session = labelling_session(data)
if session is None:
    st.stop()
with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(progress_in_words(data))
    draw_undo_button(data)
    if data.classes:
        draw_class_editor(data)
draw_estimate(session)
way = draw_section("label", {key: tr(title) for key, (title, _) in WAYS.items()})
WAYS[way][1](session)
