"""ViT Studio: start it with ``streamlit run streamlit_app.py``."""

import streamlit as st

from app.server import frame_route, photo_route, prepare_server, sweeping

app = st.App("frame.py", routes=[photo_route(), frame_route()], lifespan=sweeping)
prepare_server()
