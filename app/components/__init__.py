"""Components of our own for what Streamlit has no widget for: a Python file and its JavaScript each."""
