"""Samples: the validation images one by one, and where they lie among all others."""

import streamlit as st

from app.samples.embedding_map import draw_map
from app.samples.gallery import draw_filters, draw_pictures, samples_of
from app.samples.photo import draw_opened_photo
from app.samples.suspect_labels import draw_suspect_labels
from app.shared.layout import (
    draw_next_page,
    draw_opening,
    draw_pagination,
    draw_section,
    require_dataset,
    require_run,
)
from vitcore.language import tr

SECTIONS = {
    "gallery": ":material/grid_view: " + tr("Gallery"),
    "map": ":material/scatter_plot: " + tr("Map"),
    "labels": ":material/label: " + tr("Labels"),
}

draw_opening(
    tr("Samples"),
    tr("The validation images one by one: what they are, and what the classifier took them for."),
)
run = require_run()
data = require_dataset()
draw_next_page("predict", tr("Try it on new photos"))  # before the gallery, for whoever goes by keyboard
section = draw_section("samples", SECTIONS)
if section == "labels":
    draw_suspect_labels(run, data)
elif section == "map":
    draw_opened_photo(run, draw_map(data, run, samples_of(run)))
else:
    rows = draw_filters(samples_of(run), run.classes)
    if rows.empty:
        st.info(tr("No image passes these filters; widen them."), icon=":material/filter_alt_off:")
    else:
        draw_pictures(data, run, rows.iloc[list(draw_pagination(len(rows), "samples_page"))])
    draw_opened_photo(run, rows["image_id"].to_numpy())
