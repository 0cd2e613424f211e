"""Every text that people see is in the catalogue of every language."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from tests.language.texts import PUT_TOGETHER, ROOT, SILENT_TEXTS, Text, texts
from vitcore.language import LANGUAGES

CATALOGUES = {"vitcore": ROOT / "vitcore" / "language" / "locale", "app": ROOT / "app" / "locale"}
OTHERS = [code for code in LANGUAGES if code != "en"]

# The command line speaks English, and so does the script that goes with an exported model.
ENGLISH = frozenset({"vitcore/cli/", "vitcore/inference/standalone/", "vitcore/__main__.py"})
# These ask for the translation themselves: what they do not ask it for is no text.
ASKING = ("vitcore/charts/", "vitcore/language/")

SENTENCES = [
    *(
        text
        for text in texts("vitcore", silent=ENGLISH)
        if text.translated
        or (not text.file.startswith(ASKING) and (text.is_sentence or (text.shown and text.reads)))
        if (text.file, text.text) not in SILENT_TEXTS
    ),
    *(Text(text, "tests/language/texts.py:0", translated=False) for text in PUT_TOGETHER),
]
CHARTS = [text for text in texts("vitcore/charts") if text.is_sentence or (text.shown and text.reads)]
PAGES = [text for text in texts("app", "pages", "streamlit_app.py") if text.reads or text.translated]


def catalogue(name: str, language: str) -> Catalog:
    file = CATALOGUES[name] / language / "LC_MESSAGES" / f"{name}.po"
    with file.open("rb") as source:
        return read_po(source, locale=language)


def forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """One or several forms of a text."""
    return text if isinstance(text, tuple) else (text,)


def stub(text: Text) -> str:
    """What a translator has to fill in."""
    one, many = (
        form.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for form in (text.text, text.many)
    )
    plural = f'msgid_plural "{many}"\nmsgstr[0] ""\nmsgstr[1] ""' if many else 'msgstr ""'
    return f'#: {text.file}\nmsgid "{one}"\n{plural}\n'


def untranslated(found: list[Text], known: Catalog) -> list[str]:
    missing = {}
    for text in found:
        message = known.get(text.text)
        if message is None or not all(forms(message.string)) or (text.many and not message.pluralizable):
            missing.setdefault(text.text, stub(text))
    return list(missing.values())


def fields(text: str) -> set[str]:
    """The names of the fields of a text, those of names without their mark."""
    return set(re.findall(r"\{(\w+)(?::[^{}]*)?(?:!s)?\}", text))


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_of_the_library_is_translated(language):
    missing = untranslated(SENTENCES, catalogue("vitcore", language))
    assert not missing, f"{len(missing)} texts are missing:\n\n" + "\n".join(missing)


def test_a_chart_shows_no_text_without_asking_for_its_translation():
    bare = [text for text in CHARTS if not text.translated]
    assert not bare, "\n".join(f"{text.place}: {text.text!r}" for text in bare)


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_of_the_pages_is_translated(language):
    shared = catalogue("vitcore", language)
    own = catalogue("app", language)
    found = [text for text in PAGES if text.translated and not shared.get(text.text)]
    missing = untranslated(found, own)
    assert not missing, f"{len(missing)} texts are missing:\n\n" + "\n".join(missing)


@pytest.mark.parametrize("file", sorted({text.file for text in PAGES}))
def test_a_page_shows_no_text_without_asking_for_its_translation(file):
    bare = [text for text in PAGES if text.file == file and not text.translated]
    shown = [text for text in bare if text.is_sentence or text.text[:1].isupper()]
    assert not shown, "\n".join(f"{text.place}: {text.text!r}" for text in shown)


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", CATALOGUES)
def test_a_translation_has_the_fields_of_its_text(name, language):
    for message in catalogue(name, language):
        ids, strings = forms(message.id), forms(message.string)
        wanted = set().union(*map(fields, ids))
        assert set().union(*map(fields, strings)) == wanted, message.id
        # The form for one may say it without the number.
        assert fields(strings[-1]) == wanted, message.id


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", CATALOGUES)
def test_a_translation_has_the_space_around_its_text(name, language):
    for message in catalogue(name, language):
        for text, string in zip(forms(message.id), forms(message.string), strict=True):
            around = [text[:1].isspace(), text[-1:].isspace()]
            assert [string[:1].isspace(), string[-1:].isspace()] == around or not text, message.id


@pytest.mark.parametrize("language", OTHERS)
def test_names_keep_their_quotes(language):
    for message in catalogue("vitcore", language):
        if isinstance(message.id, str):
            quoted = re.findall(r"'\{\w+\}'", message.id)
            assert sorted(quoted) == sorted(re.findall(r"'\{\w+\}'", message.string)), message.id


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", CATALOGUES)
def test_a_catalogue_has_nothing_that_no_text_needs(name, language):
    found = SENTENCES if name == "vitcore" else PAGES
    needed = {text.text for text in found}
    ids = [forms(message.id)[0] for message in catalogue(name, language)]
    assert sorted(text for text in ids if text and text not in needed) == []


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", CATALOGUES)
def test_a_catalogue_is_in_order(name, language):
    known = catalogue(name, language)
    assert not known.obsolete
    assert not [message.id for message in known if message.id and message.fuzzy]
    assert not [message.id for message in known if message.id and message.context]
    assert known.num_plurals == 2
    assert known.plural_expr == "(n != 1)"
    assert str(known.locale) == language


@pytest.mark.parametrize("language", OTHERS)
def test_the_texts_of_a_file_stand_together_without_numbers_of_lines(language):
    places = [place(message) for message in catalogue("vitcore", language) if message.id]
    assert [number for _, number in places if number is not None] == []
    changes = [file for before, (file, _) in pairwise([("", None), *places]) if file != before[0]]
    assert len(changes) == len(set(changes))


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", CATALOGUES)
def test_no_text_is_twice_in_a_catalogue(name, language):
    file = CATALOGUES[name] / language / "LC_MESSAGES" / f"{name}.po"
    ids = re.findall(r'^msgid ((?:".*"\n)+)', file.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(ids) == len(set(ids))


def place(message: Message) -> tuple[str, int | None]:
    """The first place where a text is said to be."""
    return message.locations[0] if message.locations else ("", None)


def test_languages_have_their_folders():
    for folder in CATALOGUES.values():
        assert sorted(path.name for path in folder.iterdir()) == sorted(OTHERS), Path(folder)
