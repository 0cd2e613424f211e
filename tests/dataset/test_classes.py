"""Names of classes where they come in: folders, tables, one label for all, the editor."""

import pytest

from vitcore.dataset import add_images, import_dataset, load_dataset, relabel, remarks, rename_class
from vitcore.errors import DatasetError
from vitcore.layouts import Reading

ESCAPE = "\x1b[31mcat\x1b]0;pwn\x07"
CLEAN = "\ufffd[31mcat\ufffd]0;pwn\ufffd"
PERSIAN = "می\u200cشد"


def said(dataset) -> str:
    return " ".join(map(str, dataset.warnings))


def by_folder(pack, picture, labels):
    return pack({f"photos/{label}/{number}.png": picture(number) for number, label in enumerate(labels)})


def by_table(pack, picture, labels):
    files = {f"im/{number}.png": picture(number) for number in range(len(labels))}
    rows = "".join(f'{number}.png,"{label}"\n' for number, label in enumerate(labels))
    return pack({**files, "labels.csv": f"file,label\n{rows}".encode()})


@pytest.mark.parametrize("source", [by_folder, by_table])
@pytest.mark.parametrize(
    ("labels", "classes", "words"),
    [
        (["Hu\u0308te", "Hüte", "cat"], {"Hüte": 2, "cat": 1}, "'Hüte' was spelt in 2 ways"),
        (["red  cat", "red\u3000cat ", "dog"], {"dog": 1, "red cat": 2}, "'red cat' was spelt in 2 ways"),
        (["cat", "ca\u200bt", "dog"], {"cat": 2, "dog": 1}, "'cat' was spelt in 2 ways"),
        ([ESCAPE, ESCAPE, "dog"], {"dog": 1, CLEAN: 2}, f"were replaced: '{CLEAN}'"),
        ([PERSIAN, "ﾊﾞﾅﾅ", "dog"], {"dog": 1, PERSIAN: 1, "ﾊﾞﾅﾅ": 1}, ""),
        (["Cat", "cat", "dog"], {"Cat": 1, "cat": 1, "dog": 1}, "'Cat' and 'cat' differ only in capitals"),
        (["café", "cafe", "dog"], {"cafe": 1, "café": 1, "dog": 1}, "'cafe' and 'café' differ only"),
    ],
    ids=ascii,
)
def test_one_rule_for_all_sources(pack, picture, source, labels, classes, words):
    dataset = import_dataset(source(pack, picture, labels))
    assert dataset.class_counts == classes
    assert words in said(dataset)
    assert ("spelt in" in said(dataset), "replaced" in said(dataset)) == (
        "spelt" in words,
        "replaced" in words,
    )
    assert load_dataset(dataset.id).warnings == dataset.warnings


@pytest.mark.parametrize("source", [by_folder, by_table])
def test_a_name_that_is_too_long_or_invisible_is_no_class(pack, picture, source):
    dataset = import_dataset(source(pack, picture, ["x" * 201, "\u200b", "dog", "cat"]))
    assert dataset.class_counts == {"cat": 1, "dog": 1}
    assert {str(item.reason) for item in dataset.skipped} == {
        "the name of its class has over 200 characters",
        "the name of its class has no visible character",
    }


def test_spellings_of_one_class_are_no_contradiction(pack, picture):
    table = "file,label\n0.png,Hüte\n0.png,Hu\u0308te\n1.png,cat\n2.png,cat\n"
    dataset = import_dataset(
        pack({**{f"im/{n}.png": picture(n) for n in range(3)}, "labels.csv": table.encode()})
    )
    assert dataset.class_counts == {"Hüte": 1, "cat": 2}


def test_one_label_for_all_is_a_name_by_the_rule(pack, picture):
    source = pack({"1.png": picture(1)})
    assert import_dataset(source, reading=Reading(label=" a\u200b  b ")).classes == ("a b",)
    with pytest.raises(DatasetError, match=r"control character \(U\+001B\)"):
        import_dataset(source, reading=Reading(label="a\x1bb"))


def test_the_editor_knows_a_class_by_any_spelling(pack, picture):
    dataset = import_dataset(by_folder(pack, picture, ["Hüte", "cat", "dog"]))
    renamed = rename_class(dataset, "cat", " Hu\u0308te ")
    assert renamed.class_counts == {"Hüte": 2, "dog": 1}
    moved = relabel(renamed, [int(renamed.index["image_id"].iloc[-1])], "\u200bHüte\n")
    assert moved.class_counts == {"Hüte": 3}


def test_added_images_are_matched_by_the_rule(pack, picture):
    dataset = import_dataset(by_folder(pack, picture, ["Hüte", "cat"]))
    more = pack({"photos/Hu\u0308te/a.png": picture(8), "photos/cat/b.png": picture(9)}, name="more")
    grown = add_images(dataset, more)
    assert grown.class_counts == {"Hüte": 2, "cat": 2}


def test_labels_that_are_older_than_the_rule_are_read_by_it(pack, picture):
    dataset = import_dataset(by_folder(pack, picture, ["Hüte", "cat"]))
    index = dataset.folder / "index-0001.csv"
    text = (
        index.read_text("utf-8").replace(",Hüte,", ',"Hu\u0308te  \x1b",').replace(",cat,", f",{'x' * 300},")
    )
    index.write_text(text, "utf-8")
    assert load_dataset(dataset.id).classes == ("Hüte \ufffd", "x" * 200)


def test_likeness_is_a_remark(pack, picture):
    dataset = import_dataset(by_folder(pack, picture, ["Cat", "cat", "dog"]))
    [found] = [r for r in remarks(dataset.index) if "'Cat' and 'cat' differ only" in str(r.sentence)]
    assert not found.good


def test_a_class_without_a_usable_photo_is_named(pack, picture):
    files = {f"{label}/{number}.png": picture(number) for label in ("cats", "dogs") for number in range(2)}
    files |= {f"coats/{number}.CR2": b"raw" for number in range(3)} | {"emus/1.png": b"<html>"}
    dataset = import_dataset(pack(files))
    assert dataset.classes == ("cats", "dogs")
    assert "The folder 'coats' has no photo that can be used (for example '0.CR2': a raw file" in said(
        dataset
    )
    assert "None of the photos of class 'emus' can be used (for example 'emus/1.png': not an" in said(dataset)
