"""The inside of the pages. Everything here may use Streamlit; nothing here computes."""
