"""ViT Studio: the frame around the pages."""

from pathlib import Path

import streamlit as st

from app.process import prepare_process
from app.sidebar import draw_sidebar

prepare_process()
st.set_page_config(page_title="ViT Studio", page_icon=Path("app/icon.png"), layout="wide")
page = st.navigation(
    [
        st.Page("pages/dataset.py", title="Dataset", icon=":material/photo_library:", default=True),
        st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
        st.Page("pages/evaluate.py", title="Evaluate", icon=":material/monitoring:"),
        st.Page("pages/samples.py", title="Samples", icon=":material/image_search:"),
        st.Page("pages/predict.py", title="Predict", icon=":material/target:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/history:"),
    ]
)
draw_sidebar()
page.run()
