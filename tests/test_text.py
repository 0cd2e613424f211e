"""One rule for names, and text that does no harm where it is shown."""

import csv
import io
import json
import math
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vitcore.text import as_meant, class_name, harmless, json_text, likeness, shown, spreadsheet, unquoted

PARTS = (
    "\u200c\u200d\u0301\u0308 \u3000\u2003\u2126\u212b\u1112\u1161\u11a8\u094d\u0915\ufeff"
    "\U000e0041\U0001f3f4\ufffe\x1c\n"
)
texts = st.text(st.one_of(st.characters(), st.sampled_from(PARTS)), max_size=12)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("u\u0308ber", "über"),
        ("  red \t\n  cat\u3000", "red cat"),
        ("Screenshot\u202fPM", "Screenshot PM"),
        ("می\u200cشد", "می\u200cشد"),
        ("ന\u0d4d\u200d", "ന\u0d4d\u200d"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",) * 2,
        ("ﾊﾞﾅﾅ", "ﾊﾞﾅﾅ"),
        ("バナナ", "バナナ"),
        ("ｶﾞ", "ｶﾞ"),
        ("ca\u200ct\u200d", "cat"),
        ("\ufeffca\u200bt\xad\u200e", "cat"),
        ("cat\U000e0061", "cat"),
        ("\x1b[31mcat\x07", "�[31mcat�"),
        ("\u202etac\ufdd0\U0010ffff\ud800\x9b", "�tac����"),
        ("\u200b \ufeff", ""),
    ],
    ids=ascii,
)
def test_a_class_has_one_spelling(text, name):
    assert class_name(text) == name


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@example("क\u094d\u200d\u200c \u200d")
@example("\u200d\u0915\u200d\u3000")
@given(texts)
def test_the_rule_is_settled_after_once_and_does_no_harm(text):
    name = class_name(text)
    assert class_name(name) == name == name.strip()
    assert unicodedata.is_normalized("NFC", name)
    assert shown(name) == name
    assert len(shown(text)) == len(text)
    name.encode()


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Hat", "hat", True),
        ("cafe", "café", True),
        ("ﾊﾞﾅﾅ", "バナナ", True),
        ("かき", "かぎ", False),
        ("कि", "कु", False),
        ("hat", "hats", False),
    ],
)
def test_names_are_alike_by_capitals_accents_or_width(one, other, alike):
    assert (likeness(one) == likeness(other)) is alike


@pytest.mark.parametrize(
    ("pasted", "path"),
    [
        (' "C:\\My photos" ', "C:\\My photos"),
        ("'/home/me/photos'", "/home/me/photos"),
        ("“/home/me/photos”", "/home/me/photos"),
        ("/home/me/it's", "/home/me/it's"),
        ("'a' or 'b", "'a' or 'b"),
        ('"', '"'),
        ('""', '""'),
    ],
)
def test_quotes_around_a_pasted_path_are_removed(pasted, path):
    assert unquoted(pasted) == path


def test_json_commands_no_terminal():
    value = {"path": "猫\x1b\x9b2J\u202e\ud800\U0001ffff\n"}
    text = json_text(value)
    assert "猫" in text
    assert json.loads(text) == value
    assert shown(text) == text


def test_a_spreadsheet_computes_nothing_and_keeps_every_letter():
    names = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "'=1", "''-1", "'tis", "猫", "a=b", '"', ""]
    data = spreadsheet([names, [0.5, -1.5, math.nan, True, 3, *names[5:]]])
    assert data.startswith(b"\xef\xbb\xbf")
    first, second = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert not [cell for cell in first if cell[:1] in set("=+-@\t\r\n")]
    assert list(map(as_meant, first)) == names
    assert second[:5] == ["0.5", "-1.5", "", "True", "3"]


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(st.text("'=+-@\t\ra", max_size=5))
def test_what_is_made_harmless_comes_back(text):
    assert as_meant(harmless(text)) == text
