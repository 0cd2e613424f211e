"""What the library finds, refuses and does comes out in another language, names untouched."""

import json
import re
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import vitcore.language._catalogues as catalogues
from vitcore.audit import Measures, find_issues
from vitcore.dataset import (
    add_images,
    delete_class,
    exclude,
    import_dataset,
    inspect_source,
    load_dataset,
    relabel,
    remarks,
    rename_class,
    restore,
    split_index,
    undo,
)
from vitcore.errors import VitcoreError
from vitcore.language import install, mark, ntr, speaking, tr, translated
from vitcore.layouts import Reading
from vitcore.messages import Message, counted, message
from vitcore.runs import load_run
from vitcore.training import Hyperparameters


def test_a_program_adds_its_catalogue_and_says_how_it_knows_the_language(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogues, "_folders", list(catalogues._folders))
    monkeypatch.setattr(catalogues, "_chosen", [])
    folder = tmp_path / "es" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "own.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
        '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
        'msgid "a text"\nmsgstr "un texto"\n\n'
        'msgid "'
        "{what} is of '{name}'."
        '"\nmsgstr "'
        "De '{name}': {what}."
        '"\n\n'
        'msgid "{count} thing"\nmsgid_plural "{count} things"\n'
        'msgstr[0] "{count} cosa"\nmsgstr[1] "{count} cosas"\n',
        encoding="utf-8",
    )
    of = message("{what} is of '{name}'.", what=message("a text"), name="a text")
    things = [counted("{count} thing", "{count} things", count) for count in (1, 2)]
    with speaking("es"):
        assert translated(of) == str(of) == "a text is of 'a text'."
    try:
        install(tmp_path, lambda: "es")
        assert tr("a text") == translated(message("a text")) == "un texto"
        assert translated(of) == "De 'a text': un texto."
        assert [translated(thing) for thing in things] == ["1 cosa", "2 cosas"]
        assert [ntr("{count} thing", "{count} things", count) for count in (1, 2)] == [
            "{count} cosa",
            "{count} cosas",
        ]
        assert tr("accuracy") == "exactitud"
        assert mark("a text") == tr("") + "a text"
        with speaking("en"):
            assert tr("a text") == translated(message("a text")) == "a text"
    finally:
        monkeypatch.undo()
        for cache in (catalogues._translations, catalogues.speech):
            cache.cache_clear()
    assert tr("a text") == "a text"


ENGLISH = set(
    re.findall(
        r"\w+",
        "the of is are and not it has have with from image images give or to one than more class classes "
        "which that this there was were be been can cannot only other others choose add keep train first "
        "same file files folder name names must its them they",
    )
)


NAMES = ("men's", "d'Artagnan's", "a, b and c", "{x}", "training", "images")


def spanish(text: Message) -> str:
    """A message in Spanish: no word of it may be English, and names have to be in it as they are."""
    with speaking("es"):
        told = translated(text)
    bare = told
    for name in NAMES:
        assert str(text).count(f"'{name}'") == told.count(f"'{name}'"), told
        bare = bare.replace(f"'{name}'", "")
    bare = re.sub(r"'[^']*'|/[\w./-]+", "", bare)
    left = ENGLISH & set(re.findall(r"[^\W\d_]+", bare.lower()))
    assert not left, f"{told!r} has {left}"
    assert told != str(text)
    return told


def index(rows: int = 120, classes=("men's", "{x}"), **columns) -> pd.DataFrame:
    """Images of two classes with nothing wrong about them, but for these columns."""
    numbers = np.arange(rows)
    table = pd.DataFrame(
        {
            "image_id": numbers,
            "name": [f"{number}.png" for number in numbers],
            "label": np.where(numbers % 2, *classes),
            "split": "",
            "group": "",
            "sha256": [f"{number:064}" for number in numbers],
            "format": "PNG",
            "width": 640,
            "height": 480,
        }
    )
    return table.assign(**{name: list(values) for name, values in columns.items()})


def with_first(column: str, *values) -> pd.DataFrame:
    """As `index`, some values of the first rows being others."""
    table = index()
    table.loc[: len(values) - 1, column] = values
    return table


HASH = "f" * 64
INDEXES = {
    "fine": index(),
    "one class": index(label=["men's"] * 120),
    "uneven": index(label=["a, b and c"] * 100 + ["{x}"] * 20),
    "few": index(12),
    "few in one": index(label=["a, b and c"] * 97 + ["{x}"] * 3 + ["d'Artagnan's"] * 20),
    "many small": index(label=[f"class {number // 5}" for number in range(120)]),
    "copy": with_first("sha256", HASH, "g", HASH),
    "copies": with_first("sha256", HASH, "g", HASH, "h", HASH),
    "contradiction": with_first("sha256", HASH, HASH),
    "contradictions": with_first("sha256", HASH, HASH, "g", "g"),
    "leak": with_first("sha256", HASH, "g", HASH).assign(
        split=["train", "test"] * 1 + ["test"] * 58 + ["train"] * 60
    ),
    "small": index(width=[32] * 120, height=[32] * 120),
    "one small": with_first("width", 20),
    "one large": with_first("width", 64000),
    "long": with_first("width", 6400, 6400),
    "formats": index(format=["PNG", "JPEG"] * 60),
    "sizes": index(width=[640, 800] * 60),
    "shapes": index(width=[640, 800] * 60, height=[480, 480] * 60),
    "more formats": index(
        label=["men's", "d'Artagnan's", "a, b and c", "{x}", "training", "images"] * 20,
        format=["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"] * 20,
    ),
}


@pytest.mark.parametrize("what", INDEXES)
def test_remarks_and_findings_come_out_spanish(what):
    found = [remark.sentence for remark in remarks(INDEXES[what])]
    found += [finding.sentence for finding in find_issues(SimpleNamespace(index=INDEXES[what]))]
    assert found
    for sentence in found:
        spanish(sentence)


@pytest.mark.parametrize("kind", ["empty", "blurry", "dark", "bright"])
@pytest.mark.parametrize("count", [1, 2])
def test_findings_on_quality_come_out_spanish(kind, count):
    table = index()
    quality = pd.DataFrame(1.0, index=table["sha256"], columns=["empty", "blurry", "dark", "bright"])
    quality.loc[quality.index[:count], kind] = 0
    pairs = pd.DataFrame(columns=["first", "second", "similarity", "likeness"], dtype="str")
    pairs.loc[0] = [table["sha256"][0], table["sha256"][2], "1", "1"]
    pairs = pairs.astype({"similarity": "float64", "likeness": "float64"})
    measures = Measures(fingerprint="", compared=frozenset(table["sha256"]), pairs=pairs, quality=quality)
    found = find_issues(SimpleNamespace(index=table), measures)
    assert {kind, "near_duplicates"} <= {finding.kind for finding in found}
    told = [spanish(finding.sentence) for finding in found if finding.kind == kind]
    assert told[0].startswith("1 imagen " if count == 1 else "2 imágenes ")


def refusal(call, *arguments, **options) -> Message:
    with pytest.raises(VitcoreError) as caught:
        call(*arguments, **options)
    return caught.value.message


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"learning_rate": -1.0},
        {"dropout": 2},
        {"optimizer": "accuracy"},
        {"head": "images"},
        {"monitor": "training"},
        {"augmentations": ["images"]},
        {"finish": 1},
        {"input_size": 20},
        {"warmup_epochs": 30},
        {"patience": 20},
        {"views": 4, "augmentations": []},
        {"hidden_units": 5},
        {"mixup": 0.4, "batch_size": 1},
        {"optimizer": "lbfgs", "noise": 0.5},
        {"optimizer": "lbfgs", "balance": "sampler"},
    ],
)
def test_settings_that_are_refused_are_refused_in_spanish(options):
    spanish(refusal(Hyperparameters, **options))


def test_splits_that_are_refused_are_refused_in_spanish():
    table = index()
    for validation_fraction in (0, 1.5):
        spanish(refusal(split_index, table, validation_fraction=validation_fraction))
    spanish(refusal(split_index, index(label=["a"] * 120)))
    one = index(label=["a"] * 119 + ["men's"])
    assert "'men's' tiene 1 imagen diferente" in spanish(refusal(split_index, one))
    two = index(label=["a"] * 118 + ["b"] * 2)
    alike = two.assign(sha256=[*two["sha256"][:118], HASH, HASH])
    assert "son todas copias unas de otras" in spanish(refusal(split_index, alike))
    untaught = index(
        split=["train"] * 60 + ["validation"] * 60, label=["a", "b"] * 30 + ["{x}", "d'Artagnan's"] * 30
    )
    assert "entrenamiento de d'Artagnan's y {x};" in spanish(refusal(split_index, untaught))


def test_what_is_missing_is_missed_in_spanish(tmp_path):
    assert "conjunto de datos 'a'" in spanish(refusal(load_dataset, "a"))
    assert "entrenamiento 'a'" in spanish(refusal(load_run, "a"))
    spanish(refusal(import_dataset, tmp_path / "nothing"))
    (tmp_path / "empty").mkdir()
    spanish(refusal(import_dataset, tmp_path / "empty"))


def test_changes_of_a_dataset_come_out_spanish(picture_folder):
    dataset = import_dataset(picture_folder(count=3))
    ids = dataset.index["image_id"]
    more = picture_folder(("grey",), count=2, name="more")
    edits = (
        lambda data: rename_class(data, "blue", "men's"),
        lambda data: relabel(data, ids[:1], "red"),
        lambda data: relabel(data, ids[:3], "a, b and c"),
        lambda data: rename_class(data, "a, b and c", "{x}"),
        lambda data: exclude(data, ids[3:5]),
        lambda data: restore(data, ids[3:4]),
        lambda data: add_images(data, more, reading=Reading(label="d'Artagnan's")),
        lambda data: delete_class(data, "d'Artagnan's"),
        undo,
    )
    for edit in edits:
        dataset = edit(dataset)
    for change in dataset.changes:
        spanish(change.text)
    for call, arguments in (
        (rename_class, ("red", "red")),
        (rename_class, ("red", "")),
        (rename_class, ("red", "x" * 500)),
        (rename_class, ("red", "a\u202eb")),
        (rename_class, ("missing", "b")),
        (exclude, ([],)),
        (exclude, ([10**6],)),
        (restore, (ids[:1],)),
        (relabel, (ids[:1], "a, b and c" if "a, b and c" in dataset.classes else "{x}")),
    ):
        spanish(refusal(call, dataset, *arguments))


def test_reasons_for_which_files_are_skipped_come_out_spanish(picture_folder):
    folder = picture_folder(count=2)
    (folder / "blue" / "empty.png").write_bytes(b"")
    (folder / "blue" / "text.png").write_bytes(b"no picture at all, whatever it is called")
    (folder / "blue" / "cut.png").write_bytes((folder / "blue" / "000.png").read_bytes()[:500])
    (folder / "blue" / "notes.txt").write_text("notes")
    (folder / "blue" / "README").write_text("notes")
    (folder / "blue" / "inner.zip").write_bytes(b"PK")
    (folder / "loose.png").write_bytes((folder / "blue" / "000.png").read_bytes())
    (folder / "blue" / "link.png").symlink_to(folder / "blue" / "000.png")
    dataset = import_dataset(folder)
    reasons = {item.reason for item in dataset.skipped}
    assert len(reasons) == 8
    for reason in reasons:
        if not str(reason).startswith("damaged or cut short ("):  # what Pillow says stays English
            spanish(reason)
    for warning in dataset.warnings:
        spanish(warning)


def test_stored_messages_come_out_spanish_and_sentences_of_before_as_they_are(picture_folder):
    dataset = rename_class(import_dataset(picture_folder(count=2)), "blue", "men's")
    file = dataset.folder / "dataset.json"
    assert spanish(load_dataset(dataset.id).changes[-1].text) == "'blue' pasó a llamarse 'men's'."
    about = json.loads(file.read_text(encoding="utf-8"))
    before = "Renamed 'blue' to 'men's' and {count} more."
    about["changes"][-1]["text"] = before
    about["skipped"] = [{"name": "a.txt", "reason": "the file is empty"}]
    file.write_text(json.dumps(about), encoding="utf-8")
    again = load_dataset(dataset.id)
    with speaking("es"):
        assert translated(again.changes[-1].text) == before
        assert translated(again.skipped[0].reason) == "the file is empty"


@pytest.mark.parametrize("name", NAMES)
def test_ways_to_read_a_source_come_out_spanish(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for year in ("2022", "2023"):
            for label in (name, "other"):
                archive.writestr(f"{year}/{label}/{year}.png", b"")
    found = inspect_source(tmp_path / "photos.zip")
    assert f"'{name}'" in spanish(found.problem)
    assert f"'{name}'" in spanish(refusal(found.certain))
    for candidate in found.candidates:
        spanish(candidate.title)
