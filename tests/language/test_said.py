"""Sentences whose figures and names are filled in already come out in the language."""

import re
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import vitcore.language._catalogues as catalogues
from tests.language.test_catalogues import PUT_TOGETHER, SENTENCES
from vitcore.audit import Measures, find_issues
from vitcore.dataset import (
    Reading,
    add_images,
    delete_class,
    exclude,
    fold_index,
    import_dataset,
    load_dataset,
    relabel,
    remarks,
    rename_class,
    restore,
    split_index,
    undo,
)
from vitcore.errors import VitcoreError
from vitcore.language import install, mark, ntr, said, speaking, tr, translated
from vitcore.language._sentences import Sentences
from vitcore.messages import Message
from vitcore.runs import load_run
from vitcore.training import Hyperparameters

SMALL = Sentences(
    {
        "training": "entrenamiento",
        "the file is empty": "el archivo está vacío",
        "{0} image": "{0} imagen",
        "{0} images": "{0} imágenes",
        "{0} images {1}": "{0} imágenes {1}",
        "are blurred": "están borrosas",
        "Imported {0}.": "Se importó: {0}.",
        "Undid: {0}.": "Deshecho: {0}.",
        "'{0}' has {1} images.": "'{0}' tiene {1} imágenes.",
        "'{0}' has only {1} images.": "'{0}' solo tiene {1} imágenes.",
        "'{0}' cannot be used: {1}.": "No se puede usar '{0}': {1}.",
        "Moved {0} to '{1}'.": "A '{1}': {0}.",
        "{0} and {1} more": "{0} y {1} más",
        " and {0} more": " y {0} más",
        "There are only these: {0}{1}.": "Solo hay {0}{1}.",
        "There are no images of {0}; add some.": "No hay imágenes de {0!s}; añade algunas.",
        "{0} was {1} and is {2}": "{0!s} era {1!s} y es {2!s}",
        "It does not fit: {0}; train again.": "No encaja: {0}; entrena de nuevo.",
        "The hard disk said {0}.": "El disco dijo {0}.",
        "Settings are not known.": "No se conocen los ajustes.",
    },
    "es",
)


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("training", "entrenamiento"),
        ("Settings are not known.", "No se conocen los ajustes."),
        # Plurals are sentences in sentences.
        ("Imported 1 image.", "Se importó: 1 imagen."),
        ("Imported 3 images.", "Se importó: 3 imágenes."),
        # Fields change places, names stay, even if they are texts.
        ("Moved 3 images to 'training'.", "A 'training': 3 imágenes."),
        ("'training' has 3 images.", "'training' tiene 3 imágenes."),
        ("There are no images of training, images; add some.", None),
        # Reasons are translated in turn.
        ("'a' cannot be used: the file is empty.", "No se puede usar 'a': el archivo está vacío."),
        ("'a' cannot be used: something else.", "No se puede usar 'a': something else."),
        # The more literal pattern wins.
        ("'a' has only 3 images.", "'a' solo tiene 3 imágenes."),
        # Lists of names, and what is more.
        ("There are only these: 'training', 'b'.", "Solo hay 'training', 'b'."),
        ("There are only these: 'training', 'b' and 3 more.", "Solo hay 'training', 'b' y 3 más."),
        ("There are only these: 'it's', \"training\" and 3 more.", "Solo hay 'it's', \"training\" y 3 más."),
        # Numbers are written as in the language.
        ("Imported 1,234 images.", "Se importó: 1.234 imágenes."),
        ("The hard disk said 76.5%.", "El disco dijo 76,5\N{NO-BREAK SPACE}%."),
        ("The hard disk said 1.2.3.", "El disco dijo 1.2.3."),
        # With and without full stop and space.
        ("3 images are blurred. Imported 3 images.", "3 imágenes están borrosas. Se importó: 3 imágenes."),
        ("Undid: Moved 1 image to 'b'.", "Deshecho: A 'b': 1 imagen."),
        ("Settings are not known", "No se conocen los ajustes"),
        ("3 images, ", "3 imágenes, "),
        (" and 3 more", " y 3 más"),
        # Lists of clauses.
        (
            "It does not fit: epochs was 1 and is 2, views was 3 and is 4; train again.",
            "No encaja: epochs era 1 y es 2, views era 3 y es 4; entrena de nuevo.",
        ),
        # What nobody knows stays as it is, whatever is in it.
        ("cannot write images to disk", None),
        ("cannot write more than 3 images to disk", None),
        ("Nobody knows. Imported 3 images.", "Nobody knows. Se importó: 3 imágenes."),
        ("", ""),
        ("  ", "  "),
        ("…", "…"),
    ],
)
def test_a_sentence_is_told(english, spanish):
    if spanish is None:
        spanish = english.replace("There are no images of", "No hay imágenes de").replace(
            "add some", "añade algunas"
        )
    assert SMALL.said(english) == spanish


@pytest.mark.parametrize(
    "name",
    ["a 'b' c", "it's", "{0}", "\\g<0>", "a\nb", "' has ", "x" * 300, "猫 🐈", "'", "…"],
)
def test_any_name_comes_through(name):
    assert SMALL.said(f"'{name}' has 3 images.").replace(" solo", "").startswith("'")
    assert SMALL.said(f"Moved 3 images to '{name}'.") == f"A '{name}': 3 imágenes."


@pytest.mark.parametrize(
    "text",
    [
        "image and " * 490,
        "3 images and 4 images; " * 200,
        "a. " * 1600,
        ", ".join(["1 and 2 more"] * 300),
        "'" * 4900,
        "' has only " * 450,
        "Undid: " * 700,
        " and is " * 600,
        "x" * 10**6,
        "'a' has " * 10**5,
    ],
)
def test_no_text_takes_long(text):
    with speaking("es"):
        said("first")  # reads the catalogues
        start = time.perf_counter()
        said(text)
        assert time.perf_counter() - start < 1


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
        "{0} is of '{1}'."
        '"\nmsgstr "'
        "De '{1}': {0}."
        '"\n\n'
        'msgid "{count} thing"\nmsgid_plural "{count} things"\n'
        'msgstr[0] "{count} cosa"\nmsgstr[1] "{count} cosas"\n',
        encoding="utf-8",
    )
    with speaking("es"):
        assert said("3 is of 'a'.") == "3 is of 'a'."
    try:
        install(tmp_path, lambda: "es")
        assert tr("a text") == said("a text") == "un texto"
        assert said("a text is of 'a text'.") == "De 'a text': un texto."
        assert [ntr("{count} thing", "{count} things", count) for count in (1, 2)] == [
            "{count} cosa",
            "{count} cosas",
        ]
        assert tr("accuracy") == "exactitud"
        assert mark("a text") == tr("") + "a text"
        with speaking("en"):
            assert tr("a text") == said("a text") == "a text"
    finally:
        monkeypatch.undo()
        for cache in (catalogues._translations, catalogues._sentences, catalogues._said):
            cache.cache_clear()
    assert tr("a text") == "a text"


# --- the catalogue of the library ---------------------------------------------------------------

ENGLISH = set(
    re.findall(
        r"\w+",
        "the of is are and not it has have with from image images give or to one than more class classes "
        "which that this there was were be been can cannot only other others choose add keep train first "
        "same file files folder name names must its them they",
    )
)


def spanish(text: str | Message) -> str:
    """A text in Spanish, of which no word may be English, those in quotes apart."""
    with speaking("es"):
        told = translated(text) if isinstance(text, Message) else said(text)
    bare = re.sub(r"'[^']*'|\"[^\"]*\"|/[\w./-]+", "", told)
    left = ENGLISH & set(re.findall(r"[^\W\d_]+", bare.lower()))
    assert not left, f"{told!r} has {left}"
    assert told != str(text)
    return told


PATTERNS = sorted(
    {text.text for text in SENTENCES if not text.translated and re.search(r"\{\d+\}", text.text)}
    | {text for text in PUT_TOGETHER if "{0}" in text}
)


@pytest.mark.parametrize("english", PATTERNS)
def test_a_sentence_is_recognised_by_its_own_pattern(english):
    def filled(text):
        return re.sub(r"\{(\d+)(?:!s)?\}", lambda field: f"1{field[1]}", text)

    with speaking("es"):
        assert said(filled(english)) == filled(tr(english))


def index(rows: int = 120, **columns) -> pd.DataFrame:
    """Images of two classes with nothing wrong about them, but for these columns."""
    numbers = np.arange(rows)
    table = pd.DataFrame(
        {
            "image_id": numbers,
            "name": [f"{number}.png" for number in numbers],
            "label": np.where(numbers % 2, "training", "images"),
            "split": "",
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
    "one class": index(label=["a"] * 120),
    "uneven": index(label=["images"] * 100 + ["training"] * 20),
    "few": index(12),
    "few in one": index(label=["images"] * 97 + ["training"] * 3 + ["validation"] * 20),
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
        label=list("abcdef") * 20, format=["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"] * 20
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


def message(call, *arguments, **options) -> Message:
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
        {"folds": 1},
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
    spanish(message(Hyperparameters, **options))


def test_splits_that_are_refused_are_refused_in_spanish():
    table = index()
    for validation_fraction in (0, 1.5):
        spanish(message(split_index, table, validation_fraction=validation_fraction))
    spanish(message(split_index, index(label=["a"] * 120)))
    spanish(message(fold_index, table, 1))
    one = index(label=["a"] * 119 + ["training"])
    for text in (message(split_index, one), message(fold_index, one, 5)):
        assert "'training' tiene 1 imagen diferente" in spanish(text)
    three = index(label=["a"] * 117 + ["b"] * 3)
    assert "elige 3 pliegues o añade" in spanish(message(fold_index, three, 5))
    alike = three.assign(sha256=[*three["sha256"][:118], HASH, HASH])
    assert "son copias unas de otras" in spanish(message(fold_index, alike, 5))
    untaught = index(split=["train"] * 60 + ["validation"] * 60, label=["a", "b"] * 30 + ["training"] * 60)
    assert "entrenamiento de training;" in spanish(message(split_index, untaught))


def test_what_is_missing_is_missed_in_spanish(tmp_path):
    assert "conjunto de datos 'a'" in spanish(message(load_dataset, "a"))
    assert "entrenamiento 'a'" in spanish(message(load_run, "a"))
    spanish(message(import_dataset, tmp_path / "nothing"))
    (tmp_path / "empty").mkdir()
    spanish(message(import_dataset, tmp_path / "empty"))


def test_changes_of_a_dataset_come_out_spanish(picture_folder):
    dataset = import_dataset(picture_folder(count=3))
    ids = dataset.index["image_id"]
    more = picture_folder(("grey",), count=2, name="more")
    edits = (
        lambda data: rename_class(data, "blue", "training"),
        lambda data: relabel(data, ids[:1], "red"),
        lambda data: relabel(data, ids[:3], "images"),
        lambda data: rename_class(data, "training", "red") if "training" in data.classes else undo(data),
        lambda data: exclude(data, ids[3:5]),
        lambda data: restore(data, ids[3:4]),
        lambda data: add_images(data, more, reading=Reading(label="green")),
        lambda data: delete_class(data, "green"),
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
        (rename_class, ("red", "a\u200bb")),
        (rename_class, ("missing", "b")),
        (exclude, ([],)),
        (exclude, ([10**6],)),
        (restore, (ids[:1],)),
    ):
        spanish(message(call, dataset, *arguments))


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
    for reason in reasons - {reason for reason in reasons if reason.startswith("damaged or cut short (")}:
        spanish(reason)
    for warning in dataset.warnings:
        spanish(warning)
