"""Every text that people see is extracted, and is in the catalogue of every language."""

import ast
import re

import pytest
from babel.messages.catalog import Catalog

from tests.language.extraction import (
    KEYWORDS,
    LOCALES,
    OTHERS,
    PLURALS,
    ROOT,
    load_catalogue,
    po_file,
    texts_of,
)
from vitcore.language import speaking, translated
from vitcore.messages import Message

UPDATE = "run 'python -m tests.language.extraction', then translate what is empty"
EXTRACTED = {name: texts_of(name) for name in LOCALES}
FILES = sorted(path for folder in ("vitcore", "app", "pages") for path in (ROOT / folder).rglob("*.py"))
FIELD = re.compile(r"\{\w+(?::[^{}]*)?\}")
each = pytest.mark.parametrize(("name", "language"), [(name, code) for name in LOCALES for code in OTHERS])


def forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """One or several forms of a text."""
    return text if isinstance(text, tuple) else (text,)


def ids(catalog: Catalog) -> set[str | tuple[str, ...]]:
    return {message.id for message in catalog if message.id}


def test_there_are_texts():
    assert {name for name in EXTRACTED if len(EXTRACTED[name]) > 300} == set(LOCALES)
    assert "Class '{name}' has {images}; {why}." in EXTRACTED["vitcore"]
    assert EXTRACTED["vitcore"]["{count} image"].id == ("{count} image", "{count} images")


@each
def test_every_text_is_translated(name, language):
    known = load_catalogue(name, language)
    missing = ids(EXTRACTED[name]) - {message.id for message in known if all(forms(message.string))}
    assert not missing, UPDATE


@each
def test_a_catalogue_has_nothing_that_no_text_needs(name, language):
    known = load_catalogue(name, language)
    assert ids(known) - ids(EXTRACTED[name]) == set(), UPDATE
    assert not known.obsolete
    assert not [message.id for message in known if message.id and (message.fuzzy or message.context)]


@each
def test_a_translation_has_the_fields_of_its_text(name, language):
    for message in load_catalogue(name, language):
        wanted = set(FIELD.findall(forms(message.id)[-1]))
        assert set(FIELD.findall(forms(message.string)[-1])) == wanted, message.id
        # The form for one may say it without the number.
        assert set(FIELD.findall(forms(message.string)[0])) <= wanted, message.id


@each
def test_a_translation_has_the_space_around_its_text(name, language):
    for message in load_catalogue(name, language):
        for text, string in zip(forms(message.id), forms(message.string), strict=True):
            around = [text[:1].isspace(), text[-1:].isspace()]
            assert [string[:1].isspace(), string[-1:].isspace()] == around or not text, message.id


@each
def test_names_keep_their_quotes(name, language):
    for message in load_catalogue(name, language):
        for text, string in zip(forms(message.id), forms(message.string), strict=True):
            quoted = re.findall(r"'\{\w+\}'", text)
            assert sorted(quoted) == sorted(re.findall(r"'\{\w+\}'", string)), message.id


@each
def test_a_catalogue_is_in_form(name, language):
    text = po_file(name, language).read_text(encoding="utf-8")
    assert f"Plural-Forms: {PLURALS}" in text
    assert f"Language: {language}" in text
    assert not re.search(r"^#: .*:\d", text, re.MULTILINE), "numbers of lines differ with every change"


def test_languages_have_their_folders():
    for folder in LOCALES.values():
        assert sorted(path.name for path in folder.iterdir()) == sorted(OTHERS)


# --- what can be extracted ---------------------------------------------------------------------


def unextracted(code: str) -> list[str]:
    """The texts of the code of a file that are asked a translation for, and put together before."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.JoinedStr):
            found += [ast.unparse(call) for call in ast.walk(node) if gives_a_text(call, ast.Constant)]
        elif gives_a_text(node, ast.JoinedStr | ast.BinOp):
            found.append(ast.unparse(node))
    return found


def gives_a_text(node: ast.AST, kind: type) -> bool:
    if not isinstance(node, ast.Call) or not node.args:
        return False
    function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return function in KEYWORDS and isinstance(node.args[0], kind)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_text_can_be_extracted(path):
    assert unextracted(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("raise DatasetError('{name} is empty.', name=name)", []),
        ("raise DatasetError(error.message)", []),
        ("raise ValueError(f'{name} is empty.')", []),
        ("raise DatasetError(f'{name} is empty.')", ["DatasetError(f'{name} is empty.')"]),
        ("raise errors.Stopped('a' + name)", ["errors.Stopped('a' + name)"]),
        ("x = f'{tr(title)}'", []),
        # As babel sees it before Python 3.12, an f-string is one token.
        ("x = f'{tr(\"a\")}'", ["tr('a')"]),
    ],
)
def test_what_cannot_be_extracted_is_found(code, found):
    assert unextracted(code) == found


# --- names in every sentence -------------------------------------------------------------------

NAMES = ("men's", "d'Artagnan's", "a, b and c", "{x}", "{count}", "training", "%(name)s", "\\g<0>")


def messages() -> list[Message]:
    """Every text of the library as a message, its fields without a format being names."""
    found = []
    for text in EXTRACTED["vitcore"]:
        one, *many = forms(text.id)
        fields = {field[1:-1].partition(":")[::2] for form in forms(text.id) for field in FIELD.findall(form)}
        values = {field: value_for(style, number) for number, (field, style) in enumerate(sorted(fields))}
        if many:
            values["count"] = 3
        found.append(Message(one, values, "".join(many)))
    return [message for message in found if message.values]


def value_for(style: str, number: int) -> str | float | tuple[str, ...]:
    if style == "or":
        return NAMES
    if style:
        return 7 if style.endswith("X") else 0.5
    return NAMES[number % len(NAMES)]


@pytest.mark.parametrize("language", OTHERS)
def test_names_come_through_every_sentence_untouched(language):
    walked = messages()
    assert len(walked) > 300
    catalog = load_catalogue("vitcore", language)
    for message in walked:
        template = forms(catalog[message.template].string)[-1]
        with speaking(language):
            sentence = translated(message)
        parts = re.split(rf"({FIELD.pattern})", template)
        # What stands around the fields is that of the translation, and a name stands in its field as it is.
        pattern = "".join(
            shown_as(message, part) if number % 2 else re.escape(part) for number, part in enumerate(parts)
        )
        assert re.fullmatch(pattern, sentence, re.DOTALL), message.template


def shown_as(message: Message, field: str) -> str:
    """The pattern of what stands in a field."""
    value = message.values[field[1:-1].partition(":")[0]]
    if isinstance(value, tuple):
        return ".+".join(map(re.escape, value))
    return re.escape(value) if isinstance(value, str) else "[0-9.,]+.*"
