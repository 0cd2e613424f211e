"""What the pages share. Everything here may use Streamlit; nothing here computes."""
