"""Piles of photos as people bring them, and what is right for each.

Every case is the small form of a situation that users of such programs report.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests._pictures import encoded, photo
from vitcore.layouts import FIRST_WORD, KEEP, LABEL, LEAVE_OUT, MERGE, WORDS, Reading

__all__ = ["BOXED", "CASES", "COCO", "FOUR", "Case", "numbered", "stack", "video", "write_pile"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A pile, and what is right.

    Attributes:
        files: Names and, where it is no picture, contents; a number stands for a picture.
        classes: The number of photos of each class.
        splits: Of each part of a ready-made split.
        damaged: Of each class, photos that only the import finds out to be none.
        says: Words in the note of the import.
        asks: Words in the question that is asked first; it is answered by `reading`.
        skipped: Words in the reason why some file was skipped.
        of: The class of some photos by their names.
    """

    files: Mapping[str, bytes | str | int]
    classes: Mapping[str, int]
    splits: Mapping[str, int] = field(default_factory=dict)
    damaged: Mapping[str, int] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)
    of: Mapping[str, str] = field(default_factory=dict)

    @property
    def named(self) -> dict[str, int]:
        """The number of photos of each class by the names alone."""
        return {label: count + self.damaged.get(label, 0) for label, count in self.classes.items()}


def deep(number: int, bits: int) -> bytes:
    """A grey TIFF of 16 bits that uses only some of them."""
    values = np.random.default_rng(number).integers(0, 2**bits, (24, 24), dtype=np.uint16)
    values[0, 0] = 2**bits - 1
    return encoded(Image.fromarray(values), "TIFF")


def stack(number: int, pages: int, kind: str = "TIFF") -> bytes:
    frames = [photo(24, 16, number + page) for page in range(pages)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def icon(side: int) -> bytes:
    """A white square on nothing."""
    image = Image.new("RGBA", (32, 32), (255, 255, 255, 0))
    image.paste((255, 255, 255, 255), (4, 4, 4 + side, 4 + side))
    return encoded(image, "PNG")


def numbered(*names: str) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def sheet(*rows: tuple[object, ...]) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


FOUR = numbered("images/a1.jpg", "images/a2.jpg", "images/b1.jpg", "images/b2.jpg")
BOXED = numbered("images/1.jpg", "images/2.jpg", "images/3.jpg")
COCO = {
    "images": [{"id": n, "file_name": f"{n}.jpg", "width": 24, "height": 16} for n in (1, 2, 3)],
    "categories": [{"id": 1, "name": "hat"}, {"id": 2, "name": "shoe"}],
    "annotations": [
        {"image_id": image, "category_id": label, "bbox": [x, 0, 12, 16]}
        for image, label, x in ((1, 1, 0), (2, 2, 0), (3, 1, 0), (3, 2, 12))
    ],
}


def voc(stem: str, label: str) -> dict[str, str]:
    box = "<xmin>2</xmin><ymin>2</ymin><xmax>20</xmax><ymax>12</ymax>"
    size = "<size><width>24</width><height>16</height></size>"
    content = f"<object><name>{label}</name><bndbox>{box}</bndbox></object>"
    return {f"Annotations/{stem}.xml": f"<annotation>{size}{content}</annotation>"}


def video(seconds: int) -> bytes:
    """A video of one picture per second, each of another grey."""
    av = pytest.importorskip("av")
    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=1)
        stream.width = stream.height = 64
        for second in range(seconds):
            picture = Image.new("RGB", (64, 64), (40 * second,) * 3)
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return content.getvalue()


ONE_HOT = "image_id,healthy,rust,scab\n"
SEVERAL = "image,labels\na1,scab\na2,rust\nb1,scab rust\nb2,scab spot\n"

CASES = {
    "0/1 columns": Case(
        files={**FOUR, "train.csv": f"{ONE_HOT}a1,1,0,0\na2,0,1,0\nb1,0,0,1\nb2,0,0,1\n"},
        classes={"healthy": 1, "rust": 1, "scab": 2},
    ),
    "0/1 columns as floats, with names that have endings": Case(
        files={
            **FOUR,
            "truth.csv": "image,MEL,NV\na1.jpg,1.0,0.0\na2.jpg,1,0\nb1.jpg,0.0,1.0\nb2.jpg,0,1",
        },
        classes={"MEL": 2, "NV": 2},
    ),
    "0/1 columns, one table per part": Case(
        files={
            **numbered("train/1_jpg.rf.1.jpg", "train/2_jpg.rf.2.jpg", "valid/1_jpg.rf.1.jpg", "valid/3.jpg"),
            "train/_classes.csv": "filename, hat, trousers\n1_jpg.rf.1.jpg, 1, 0\n2_jpg.rf.2.jpg, 0, 1\n",
            "valid/_classes.csv": "filename, hat, trousers\n1_jpg.rf.1.jpg, 0, 1\n3.jpg, 1, 0\n",
        },
        classes={"hat": 2, "trousers": 2},
        splits={"train": 2, "validation": 2},
    ),
    "0/1 columns with several ones": Case(
        files={**FOUR, "train.csv": f"{ONE_HOT}a1,1,0,0\na2,0,1,0\nb1,0,1,0\nb2,0,1,1\n"},
        classes={"healthy": 1, "rust": 2},
        asks=("1 photo has several labels", "--several leave-out"),
        reading=Reading(several=LEAVE_OUT),
        says=("1 photo has several labels", "one class per photo"),
        skipped=("several labels",),
    ),
    "cells with several labels": Case(
        files={
            **FOUR,
            "labels.csv": SEVERAL.replace("b2,scab spot", "b2,rust"),
        },
        classes={"rust": 2, "scab": 1},
        asks=("1 photo has several labels", "one class per photo is supported", "--several leave-out"),
        reading=Reading(several=LEAVE_OUT),
        says=("1 photo has several labels",),
        skipped=("several labels",),
    ),
    "cells with several labels, kept as they are": Case(
        files={**FOUR, "labels.csv": SEVERAL},
        classes={"rust": 1, "scab": 1, "scab rust": 1, "scab spot": 1},
        asks=("2 photos have several labels", "--several keep"),
        reading=Reading(several=KEEP),
    ),
    "metadata.jsonl": Case(
        files={
            **numbered("train/1.jpg", "train/2.jpg"),
            "train/metadata.jsonl": '{"file_name": "1.jpg", "label": "hat"}\n'
            '{"file_name": "2.jpg", "label": "pants", "size": 3}\n',
        },
        classes={"hat": 1, "pants": 1},
    ),
    "a spreadsheet": Case(
        files={
            **FOUR,
            "labels.xlsx": sheet(("file", "class"), *((name, n > 1) for name, n in FOUR.items())),
        },
        classes={"0": 2, "1": 2},
    ),
    "sep= in the first line": Case(
        files={
            **FOUR,
            "Beschriftung.csv": "\ufeffsep=;\r\nDateiname;Klasse\r\na1.jpg;Hose\r\na2.jpg;Hose\r\n"
            'b1.jpg;"Hüte; Mützen"\r\nb2.jpg;"Hüte; Mützen"\r\n',
        },
        classes={"Hose": 2, "Hüte; Mützen": 2},
    ),
    "a WebDataset": Case(
        files={
            **numbered("0001.jpg", "0002.jpg", "0003.jpg"),
            "0001.cls": "7",
            "0002.cls": "3",
            "0003.cls": "7",
        },
        classes={"3": 1, "7": 2},
    ),
}


CASES |= {
    "classes that only another part than training has": Case(
        files=numbered("train/a/1.png", "train/b/2.png", "val/a/3.png", "test/b/4.png", "test/c/5.png"),
        classes={"a": 2, "b": 2},
        splits={"train": 2, "validation": 1, "test": 1},
        says=("no photo of class 'c'; its 1 photo is left out", "validation part has no photos of 'b'"),
        skipped=("training part has no photo of its class",),
    ),
    "other capitals in another part": Case(
        files=numbered("train/Cat/1.png", "train/Dog/2.png", "val/cat/3.png", "val/dog/4.png"),
        classes={"Cat": 2, "Dog": 2},
        splits={"train": 2, "validation": 2},
        says=("'cat' and 'Cat' differ only in capitals or spaces; they are one class",),
    ),
    "names that are alike, left as they are": Case(
        files=numbered("T-shirt/1.png", "t-shirt/2.png", "hat/3.png"),
        classes={"T-shirt": 1, "hat": 1, "t-shirt": 1},
    ),
    "names that are alike, taken as one": Case(
        files=numbered("red hat/1.png", "Redhat/2.png", "red hat/3.png", "shoe/4.png"),
        classes={"red hat": 3, "shoe": 1},
        reading=Reading(alike=MERGE),
        says=("'Redhat' and 'red hat' differ only in capitals or spaces",),
    ),
    "classes of unknown files": Case(
        files={**numbered("a/1.png", "b/2.png"), "coat/1.CR2": b"II*", "skirt/notes.txt": b"todo"},
        classes={"a": 1, "b": 1},
        says=("'coat' has no photo that can be used", "raw file of a camera", "'skirt' has no photo"),
        skipped=("raw file", "not an image file"),
    ),
    "placeholders of a cloud": Case(
        files={**numbered("a/1.png", "b/2.png"), "a/.2.HEIC.icloud": b"bplist00", "a/3.png": b""},
        classes={"a": 1, "b": 1},
        damaged={"a": 1},
        skipped=("placeholder of iCloud; download the photo first", "empty; if it is kept in a cloud"),
    ),
    "classes in the names of files": Case(
        files=numbered("hat.0.jpg", "hat.1.jpg", "T_shirt_12.jpg", "T_shirt_3.jpg"),
        classes={"T_shirt": 2, "hat": 2},
        asks=("Only the file names say", "'T_shirt' (2) and 'hat' (2)", "--names words"),
        reading=Reading(names=WORDS),
    ),
    "classes in the names of files, with dates and codes": Case(
        files=numbered("x/2024-05-01_oak_3.jpg", "x/2024-05-02_oak_4.jpg", "x/elm-a1b2c3d4.jpg", "elm9.jpg"),
        classes={"elm": 2, "oak": 2},
        asks=("--names words",),
        reading=Reading(names=WORDS),
    ),
    "classes in the first words of the names of files": Case(
        files=numbered("cat_on_mat_1.jpg", "cat_asleep_2.jpg", "dog_in_snow_1.jpg", "dog_asleep_7.jpg"),
        classes={"cat": 2, "dog": 2},
        asks=("--names first",),
        reading=Reading(names=FIRST_WORD),
    ),
    "grey pictures of 12 bits": Case(
        files={f"{label}/{n}.tif": deep(n, 12) for n in range(4) for label in ("a", "b")[n % 2]},
        classes={"a": 2, "b": 2},
        says=("4 photos use 12 of their 16 bits",),
    ),
    "white drawings on transparency": Case(
        files={"a/1.png": icon(8), "b/2.png": icon(20), "b/3.png": 3},
        classes={"a": 1, "b": 2},
        says=("2 photos are white drawings on transparency; they are laid on dark grey",),
    ),
    "stacks": Case(
        files={**numbered("a/1.png", "b/2.png"), "a/s.tif": stack(5, 3), "b/s.gif": stack(9, 2, "GIF")},
        classes={"a": 2, "b": 2},
        says=("2 files have several pages or frames (a/s.tif: 3). The first is taken; with --pages every",),
    ),
    "one colour": Case(
        files={**numbered("a/1.png", "b/2.png"), "b/3.png": encoded(Image.new("RGB", (9, 9), "red"), "PNG")},
        classes={"a": 1, "b": 2},
        says=("1 photo shows nothing but one colour (b/3.png)",),
    ),
    "boxes of COCO": Case(
        files={**BOXED, "annotations/instances.json": json.dumps(COCO)},
        classes={"hat": 1, "shoe": 1},
        asks=("3 photos with 4 boxes around objects of 2 classes (COCO)", "--boxes label", "--boxes crop"),
        reading=Reading(boxes=LABEL),
        skipped=("boxes of several classes",),
    ),
    "boxes of YOLO": Case(
        files={
            **numbered("images/train/1.jpg", "images/train/2.jpg", "images/val/3.jpg"),
            "data.yaml": "train: images/train\nnames: [shoe, hat]\n",
            "labels/train/1.txt": "1 0.5 0.5 0.4 0.6\n",
            "labels/train/2.txt": "0 0.1 0.1 0.9 0.1 0.9 0.9\n",
            "labels/val/3.txt": "1 0.5 0.5 1 1\n1 0.2 0.2 0.1 0.1\n",
        },
        classes={"hat": 2, "shoe": 1},
        splits={"train": 2, "validation": 1},
        asks=("(YOLO)",),
        reading=Reading(boxes=LABEL),
    ),
    "boxes of Pascal VOC": Case(
        files={**numbered("JPEGImages/1.jpg", "JPEGImages/2.jpg"), **voc("1", "hat"), **voc("2", "shoe")},
        classes={"hat": 1, "shoe": 1},
        asks=("(Pascal VOC)",),
        reading=Reading(boxes=LABEL),
    ),
    "rows and files that are both numbered": Case(
        files={
            **numbered("img/0.jpg", "img/1.jpg", "img/2.jpg", "img/3.jpg"),
            "labels.csv": ",file,label\n0,3.jpg,hat\n1,2.jpg,hat\n2,1.jpg,hat\n3,0.jpg,shoe\n",
        },
        classes={"hat": 3, "shoe": 1},
        of={"img/0.jpg": "shoe"},
    ),
    "numbers that have lost their zeros": Case(
        files={
            **numbered("images/0007.jpg", "images/0008.jpg", "images/0010.jpg"),
            "train.csv": "id,breed\n7,boxer\n8,pug\n10,pug\n",
        },
        classes={"boxer": 1, "pug": 2},
        of={"images/0007.jpg": "boxer"},
        says=("train.csv names photos by numbers without leading zeros",),
    ),
    "one number in both parts, and a table of one": Case(
        files={
            **numbered("train/1.jpg", "train/2.jpg", "test/1.jpg", "test/2.jpg"),
            "train_labels.csv": "id,label\n1,a\n2,b\n",
        },
        classes={"a": 1, "b": 1},
        splits={"train": 2},
        of={"train/1.jpg": "a"},
        skipped=("not listed in train_labels.csv",),
    ),
    "photos in numbered parts, and a table": Case(
        files={
            **numbered("HAM_images_part_1/I1.jpg", "HAM_images_part_1/I2.jpg", "HAM_images_part_2/I3.jpg"),
            "metadata.csv": "lesion_id,image_id,dx\nL1,I1,nv\nL2,I2,bkl\nL3,I3,nv\n",
        },
        classes={"bkl": 1, "nv": 2},
    ),
    "folders called by codes of WordNet": Case(
        files={
            **numbered("t/train/n01440764/images/1.JPEG", "t/train/n02012849/images/2.JPEG"),
            **numbered("t/train/n03126707/images/3.JPEG"),
            "t/words.txt": "n01440764\ttench, Tinca tinca\nn02012849\tcrane\nn03126707\tcrane\n",
        },
        classes={"crane n02012849": 1, "crane n03126707": 1, "tench": 1},
        says=("names from t/words.txt; 'n01440764' is 'tench'",),
    ),
    "photos with the notes of a photo program": Case(
        files={**numbered("hats/1.jpg", "shoes/2.jpg"), "hats/1.xmp": "<x/>"},
        classes={"hats": 1, "shoes": 1},
        skipped=("notes of a photo program",),
    ),
    "one name in two spellings": Case(
        files=numbered("Fotos/Hu\u0308te/1.png", "Fotos/Hüte/2.png", "Fotos/Hosen/3.png"),
        classes={"Hosen": 1, "Hüte": 2},
        says=("'Hüte' was spelt in 2 ways",),
    ),
}


def write_pile(case: Case, folder: Path) -> Path:
    """Write the files of a case into a zip file, each number as a picture of its own."""
    kinds = {"jpg": "JPEG", "tif": "TIFF"}
    path = folder / "pile.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in case.files.items():
            if isinstance(content, int):
                kind = kinds.get(name.rpartition(".")[2].lower(), "PNG")
                archive.writestr(name, encoded(photo(24, 16, content), kind))
            else:
                archive.writestr(name, content)
    return path
