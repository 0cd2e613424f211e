"""Why a file is not taken: the reason is true, and says what to do."""

import io
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests._pictures import encoded
from vitcore.dataset import import_dataset, load_image
from vitcore.errors import ArchiveError, ImageError

ROOT = Path(__file__).parents[2]
BMP, TIFF = (encoded(Image.new("RGB", (16, 16)), kind) for kind in ("BMP", "TIFF"))
DICOM = bytes(128) + b"DICM" + bytes(64)
MP4 = b"\0\0\0\x18ftypmp42" + bytes(64)


def changed(data: bytes, place: int, value: int) -> bytes:
    return data[:place] + bytes([value]) + data[place + 1 :]


def tagged(tag: int, value: int) -> bytes:
    """A TIFF file with another value of one tag."""
    data = bytearray(TIFF)
    [start] = struct.unpack_from("<I", data, 4)
    [count] = struct.unpack_from("<H", data, start)
    for place in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, place)[0] == tag:
            struct.pack_into("<H", data, place + 8, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (changed(BMP, 30, 4), "a kind of BMP that cannot be read (Unsupported BMP compression (4)); save it"),
        (changed(BMP, 14, 99), "a kind of BMP that cannot be read (Unsupported BMP header type (99))"),
        (tagged(277, 5), "a kind of TIFF that cannot be read (5 channels of 8 bits); save it as PNG or JPEG"),
        (tagged(277, 200), "a kind of TIFF that cannot be read (200 channels of 8 bits)"),
        (tagged(259, 34892), "a kind of TIFF that cannot be read (compression 34892)"),
        (BMP[:20], "damaged or cut short"),
        (TIFF[: len(TIFF) // 2], "damaged or cut short"),
        (DICOM, "a DICOM file; export its picture as PNG or JPEG"),
        (MP4, "a video; save single pictures of it as PNG or JPEG"),
        (b"Rar!\x1a\x07\x01\0", "a RAR archive; unpack it"),
        (b"<html>", "not an image of a known format"),
        (b"", "the file is empty; if it is kept in a cloud, download it first"),
    ],
)
def test_what_cannot_be_read_is_called_by_its_name(tmp_path, content, reason):
    (tmp_path / "x").write_bytes(content)
    for source in (content, tmp_path / "x"):
        with pytest.raises(ImageError) as caught:
            load_image(source)
        assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (".IMG_8000.HEIC.icloud", b"bplist00", "a placeholder of iCloud; download the photo first"),
        ("IMG_0.AAE", b"x", "the edits of an Apple photo"),
        ("IMG_0.MOV", b"x", "a video"),
        ("IMG_0.CR2", b"x", "a raw file of a camera; export it as JPEG"),
        ("vol.nii.gz", b"\x1f\x8b", "a NIfTI volume; export its slices"),
        ("more.tar.gz", b"\x1f\x8b", "another archive; unpack it first"),
        ("slide.svs", TIFF, "a whole-slide image"),
        ("scan.dcm", DICOM, "a DICOM file"),
        ("IM000000", DICOM, "a DICOM file"),
        ("README", b"x", "not an image file (no file name ending)"),
        ("labels.xlsx", b"PK", "a table that cannot be used: "),
        ("notes.txt", b"x", "not an image file (.txt)"),
    ],
)
def test_what_lies_beside_photos_is_called_by_its_name(pack, animals, name, content, reason):
    dataset = import_dataset(pack({**animals, f"photos/cats/{name}": content}))
    [skipped] = dataset.skipped
    assert (skipped.name, str(skipped.reason)[: len(reason)]) == (f"photos/cats/{name}", reason)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.rar", b"Rar!\x1a\x07\x01\0", r"x\.rar is a RAR archive; unpack it, then give the folder"),
        ("x.7z", b"7z\xbc\xaf\x27\x1c\0\4", r"x\.7z is a 7z archive; unpack it"),
        ("x.zip", b"Rar!\x1a\x07\x01\0", r"x\.zip is a RAR archive"),
        ("x.pdf", b"%PDF-1.7", r"x\.pdf is a PDF file; export its pictures"),
        ("x.txt", b"text", r"x\.txt is not a zip or tar file"),
    ],
)
def test_a_source_of_another_kind_is_called_by_its_name(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArchiveError, match=words):
        import_dataset(tmp_path / name)


def test_an_archive_with_a_password_says_so(tmp_path, picture):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3):
            archive.writestr(f"cats/{number}.png", picture(number))
    data = bytearray(path.read_bytes())
    for place in range(len(data) - 4):
        if data[place : place + 4] == b"PK\1\2":
            data[place + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(
        ArchiveError, match=r"None of the 3 files.*'cats/0.png': protected by a password; unpack"
    ):
        import_dataset(path)


def test_libtiff_is_quiet(tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(file, "TIFF", compression="jpeg")
    (tmp_path / "x.tif").write_bytes(file.getvalue()[:-200])
    (tmp_path / "y.tif").write_bytes(tagged(259, 50000))  # says that it is packed by Zstandard
    for module in ("vitcore.dataset", "vitcore.inference.standalone.predict"):
        script = (
            f"import pathlib, sys\nimport {module} as m\ngetattr(m, 'silence_libtiff', int)()\n"
            "for name in sys.argv[1:]:\n"
            "    try: m.load_image(pathlib.Path(name), 8)\n"
            "    except Exception as error: print(error)\n"
        )
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "ignore::UserWarning",
                "-c",
                script,
                tmp_path / "x.tif",
                tmp_path / "y.tif",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert (len(done.stdout.splitlines()), done.stderr) == (2, "")
