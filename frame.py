"""The frame around the pages: what they are called, and what stands beside them."""

from pathlib import Path

import streamlit as st

from app.server import opening
from app.shared.process import import_ahead, prepare_process
from app.shared.state import is_labelling
from vitcore.language import tr

prepare_process()
pages = [
    st.Page("pages/dataset.py", title=tr("Dataset"), icon=":material/photo_library:", default=True),
    *([st.Page("pages/label.py", title=tr("Label"), icon=":material/label:")] if is_labelling() else []),
    st.Page("pages/train.py", title=tr("Train"), icon=":material/model_training:"),
    st.Page("pages/evaluate.py", title=tr("Evaluate"), icon=":material/monitoring:"),
    st.Page("pages/samples.py", title=tr("Samples"), icon=":material/image_search:"),
    st.Page("pages/predict.py", title=tr("Predict"), icon=":material/target:"),
    st.Page("pages/runs.py", title=tr("Runs"), icon=":material/history:"),
]
# Before the pages are listed, whose icons would be asked of the internet for the tab.
st.set_page_config(page_icon=Path("app/icon.png"), layout="wide")
page = st.navigation(pages, position="hidden")
st.set_page_config(page_title=tr("{page} · ViT Studio").format(page=page.title))
with opening(page.title):
    from app.shared.messages import draw_error, reported
    from app.shared.resuming import draw_interrupted
    from app.shared.sidebar import draw_sidebar
    from vitcore.records import disk_guard
try:
    with reported(draw_error), disk_guard():
        draw_sidebar(pages, page)
        draw_interrupted()
        page.run()
finally:
    import_ahead()
