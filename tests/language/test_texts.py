"""The reader of the code finds what people see, and nothing else."""

import pytest

from tests.language.texts import texts_of


def found(code: str) -> list[str]:
    return [text.text for text in texts_of(code, "file.py")]


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("x = 'a text'", ["a text"]),
        ("x: 'Not' = 'a text'", ["a text"]),
        ("raise Error(f'{name} is not {what}.')", ["{0} is not {1}."]),
        ("x = 'two ' 'parts'", ["two parts"]),
        # An f-string that chooses between texts stands for several sentences.
        ("""f"{n} image{'s' * (n != 1)}." """, ["{0} image.", "{0} images."]),
        ("""f"{n} class{'es have' if n > 1 else ' has'} it" """, ["{0} classes have it", "{0} class has it"]),
        ("""f"a{f' and {n} more' if n else ''} b" """, ["a and {0} more b", "a b"]),
        ("""f"{one if n == 1 else many} {n:,}" """, ["{0} {1}"]),
        ("""f"It is {name or 'none'}." """, ["It is {0}.", "none"]),
        ("""f"It is {choose('one text')}." """, ["It is {0}.", "one text"]),
        # What is looked up, compared, imported or says what the code does is no text.
        ("x = {'key': 'a text'}", ["a text"]),
        ("x = table['key']", []),
        ("x = {'key': 'a text'}['key']", ["a text"]),
        ("x = name == 'key'", []),
        ("assert x, 'no text'", []),
        ("import name", []),
        ("__all__ = ['name']", []),
        ("'''What it is.'''\ndef f(x: 'X' = 'a text') -> 'Y':\n    '''What it does.'''", ["a text"]),
        ("class A:\n    '''What it is.'''\n    x = 'a text'", ["a text"]),
        ("match x:\n    case 'key':\n        y = 'a text'", ["a text"]),
        ("Path('a file')", []),
        ("'a text'.join(x)", ["a text"]),
        ("button('a text', key='a_key', help='more of it')", ["a text", "more of it"]),
    ],
)
def test_texts_are_found(code, texts):
    assert found(code) == texts


def test_what_is_given_for_translation_is_known():
    code = "tr('a'); mark('b'); ntr('{n} c', '{n} d', n); f('e'); tr('g' if x else 'h'); f(key=tr('i'))"
    code += "; {mark('j'): 1, 'k': 2}"
    assert [(text.text, text.many) for text in texts_of(code, "file.py") if text.translated] == [
        ("a", ""),
        ("b", ""),
        ("{n} c", "{n} d"),
        ("g", ""),
        ("h", ""),
        ("i", ""),
        ("j", ""),
    ]


def test_single_words_are_shown_where_people_see_what_is_given():
    code = "X(title='Quick', id='quick'); f(reason='late' if x else '')"
    assert [text.text for text in texts_of(code, "file.py") if text.shown] == ["Quick", "late", ""]


@pytest.mark.parametrize(
    ("text", "reads", "is_sentence"),
    [
        ("two words", True, True),
        ("{0} images", True, True),
        ("word", True, False),
        ("{0}-{1}", False, False),
        ("**{0}** · {1} %", False, False),
        (":material/check: Word", True, False),
        (":blue[{0}]", False, False),
        (":material/{0}: {1}", False, False),
        ("JPEG", False, False),
        ("CSV file", True, True),
        ("SELECT a FROM b", False, False),
        ("datum.x === 'a b'", False, False),
        ("```\npip install it\n```", False, False),
    ],
)
def test_a_text_is_told_from_a_sign(text, reads, is_sentence):
    [only] = texts_of(f"x = {text!r}", "file.py")
    assert only.reads is reads
    assert only.is_sentence is is_sentence


def test_places_have_file_and_line():
    [text] = texts_of("\n\nx = 'a'", "folder/file.py")
    assert (text.place, text.file) == ("folder/file.py:3", "folder/file.py")
