"""Samples: the validation images one by one, and where they lie among all others."""

import streamlit as st

from app.samples.embedding_map import draw_map
from app.samples.gallery import chosen, draw_pictures, samples_of
from app.samples.photo import draw_detail
from app.shared.layout import needed_dataset, needed_run, next_page, opening, paged, switch
from app.shared.review import draw_labels
from vitcore.language import tr

SECTIONS = {
    "gallery": f":material/grid_view: {tr('Gallery')}",
    "map": f":material/scatter_plot: {tr('Map')}",
    "labels": f":material/label: {tr('Labels')}",
}

opening(
    tr("Samples"),
    tr("The validation images one by one: what they are, and what the classifier took them for."),
)
run = needed_run()
data = needed_dataset()
section = switch(tr("Section"), SECTIONS, "samples_section")
if section == "labels":
    draw_labels(run, data)
elif section == "map":
    draw_detail(run, draw_map(data, run, samples_of(run)))
else:
    rows = chosen(samples_of(run), run.classes)
    if rows.empty:
        st.info(tr("No image passes these filters; widen them."), icon=":material/filter_alt_off:")
    else:
        draw_pictures(data, run, rows.iloc[list(paged(len(rows), "samples_page"))])
    draw_detail(run, rows["image_id"].to_numpy())
next_page("predict", tr("Try it on new photos"))
