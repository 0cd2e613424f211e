"""Archives of pictures, pictures as bytes, and an index without any."""

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests._pictures import encoded
from vitcore.dataset import Finding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKERS = ("folder", "zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst")

Files = Mapping[str, bytes]


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """Makes the bytes of an image file; another number gives another picture."""

    def make(number: int = 0, kind: str = "PNG", size: tuple[int, int] = (24, 16), **options: Any) -> bytes:
        pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        return encoded(Image.fromarray(pixels), kind, **options)

    return make


@pytest.fixture(scope="session")
def animals(picture: Callable[..., bytes]) -> Files:
    """Two classes of three pictures each."""
    return {
        f"photos/{label}/{number}.png": picture(10 * position + number)
        for position, label in enumerate(("cats", "dogs"))
        for number in range(3)
    }


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Path]:
    """Writes files, given as name and bytes, into a folder, a zip file or a tar file."""

    def make(files: Files, kind: str = "zip", name: str = "source") -> Path:
        path = tmp_path / (name if kind == "folder" else f"{name}.{kind}")
        if kind == "folder":
            for file, content in files.items():
                (path / file).parent.mkdir(parents=True, exist_ok=True)
                (path / file).write_bytes(content)
        elif kind == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for file, content in files.items():
                    archive.writestr(file, content)
        else:
            compressed = {"tar.gz": gzip, "tar.bz2": bz2, "tar.xz": lzma, "tar.zst": zstd}.get(kind, io)
            with compressed.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w:") as archive:
                for file, content in files.items():
                    member = tarfile.TarInfo(file)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
        return path

    return make


def index_of(
    labels: Sequence[str],
    formats: Sequence[str] | None = None,
    sizes: Sequence[tuple[int, int]] | None = None,
) -> pd.DataFrame:
    """Just enough of an index to be checked: different images of these labels."""
    count = len(labels)
    sizes = [(320, 240)] * count if sizes is None else sizes
    return pd.DataFrame(
        {
            "image_id": range(count),
            "label": labels,
            "split": "",
            "sha256": [f"content {n}" for n in range(count)],
            "format": ["JPEG"] * count if formats is None else formats,
            "width": [width for width, _ in sizes],
            "height": [height for _, height in sizes],
        }
    ).astype({"label": "str", "split": "str", "sha256": "str", "format": "str"})


def by_kind(findings: Sequence[Finding]) -> dict[str, Finding]:
    """Findings by their kind, each of which comes once."""
    kinds = {finding.kind: finding for finding in findings}
    assert len(kinds) == len(findings)
    return kinds
