"""Piles of photos as people bring them: what is read off each, and what is said of it.

Every case is the small form of a situation that users of such programs report. It is imported as it would be
without a word, or looked at where it is refused with a question, and once with the answer.
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from vitcore.cli import main
from vitcore.dataset import import_dataset, inspect_source
from vitcore.errors import ArchiveError
from vitcore.layouts import KEEP, LEAVE_OUT, Reading

Files = Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A pile, and what is right.

    Attributes:
        files: Names and, where it is no picture, contents; a number stands for a picture.
        classes: The number of photos of each class.
        splits: Of each part of a ready-made split.
        says: Words in the note of the import.
        asks: Words in the question that is asked first; it is answered by `reading`.
        skipped: Words in the reason why some file was skipped.
    """

    files: Mapping[str, bytes | str | int]
    classes: Mapping[str, int]
    splits: Mapping[str, int] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)


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


@pytest.fixture
def pile(pack: Callable[..., object], picture: Callable[..., bytes]) -> Callable[[Case], object]:
    """Pack the files of a case, each number a picture of its own."""

    def make(case: Case) -> object:
        kinds = {"jpg": "JPEG", "tif": "TIFF"}
        contents = {}
        for name, content in case.files.items():
            if isinstance(content, int):
                contents[name] = picture(content, kinds.get(name.rpartition(".")[2].lower(), "PNG"))
            else:
                contents[name] = content.encode() if isinstance(content, str) else content
        return pack(contents)

    return make


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_pile_is_read_as_its_makers_meant_it(pile, case):
    source = pile(case)
    if case.asks:
        survey = inspect_source(source)
        assert survey.candidates
        with pytest.raises(ArchiveError) as refusal:
            import_dataset(source)
        assert all(words in str(refusal.value) for words in case.asks), refusal.value
    dataset = import_dataset(source, reading=case.reading)
    assert dataset.class_counts == case.classes
    assert dataset.split_counts == case.splits
    notes = " ".join(map(str, dataset.notes))
    assert all(words in notes for words in case.says), notes
    reasons = " ".join(str(item.reason) for item in dataset.skipped)
    assert all(words in reasons for words in case.skipped), reasons
    assert bool(case.skipped) == bool(reasons), reasons


@pytest.mark.parametrize("name", ["0/1 columns with several ones", "a spreadsheet"])
def test_the_command_line_shows_each_way_before_it_imports(pile, capsys, name):
    case = CASES[name]
    source = str(pile(case))
    assert main(["import", source, "--dry-run", "--json"]) == 0
    survey = json.loads(capsys.readouterr().out)
    assert bool(survey["problem"]) == bool(case.asks)
    options = {"labels": "--labels", "label_column": "--label-column", "several": "--several"}
    chosen = survey["readings"][0]["options"]
    flags = [part for key, flag in options.items() if key in chosen for part in (flag, chosen[key])]
    assert main(["import", source, "--json", *flags]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == case.classes


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\3\4", b"\xd0\xcf\x11\xe0 old", b"no sheet"],
    ids=["empty", "cut short", "old or protected", "text"],
)
def test_what_is_no_spreadsheet_is_named(pile, content):
    case = Case(files={**numbered("a/1.png", "b/2.png"), "labels.xlsx": content}, classes={})
    dataset = import_dataset(pile(case))
    assert dataset.class_counts == {"a": 1, "b": 1}
    assert [item.name for item in dataset.skipped] == ["labels.xlsx"]
    assert "save it as CSV" in str(dataset.skipped[0].reason)
