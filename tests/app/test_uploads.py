"""Files that a browser sent, on a disk that may be full."""

import io

import pytest
import streamlit as st

from app.shared.uploads import Uploads
from tests._disks import FakeDisk
from vitcore.errors import StorageError


class Upload(io.BytesIO):
    """As Streamlit has it."""

    file_id = "1"


@pytest.fixture(autouse=True)
def _no_past():
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def test_an_upload_that_finds_no_space_stays_in_memory_and_leaves_no_part(workspace, monkeypatch):
    disk = FakeDisk(workspace.root, monkeypatch)
    uploads, upload = Uploads(), Upload(b"content")
    for _ in range(2):
        disk.fill()
        with pytest.raises(StorageError, match=r"free some space\.$"):
            uploads.keep(upload, "photo.png")
        assert [path for path in workspace.datasets.rglob("*") if path.is_file()] == []
    disk.free()
    kept = uploads.keep(upload, "photo.png")
    assert kept.path.read_bytes() == b"content"
    assert upload.closed
    uploads.hand_over()()
    assert not kept.path.exists()
