import re

import pytest

from app.shared.text import escape_markdown

HOSTILE = [
    "![x](http://evil/p.png)",
    "<script>alert(1)</script>",
    "**b**",
    "__b__",
    "~~gone~~",
    ":smile:",
    ":material/home:",
    ":red[text]",
    ":red-background[text]",
    "$x$",
    "$$x$$",
    "[a](javascript:x)",
    "[a]: http://evil",
    "<http://evil>",
    "http://evil",
    "www.evil.com",
    "someone@evil.com",
    "`code`",
    "# title",
    "- item",
    "+ item",
    "1. item",
    "1) item",
    "> quote",
    "a | b",
    "---",
    "===",
    "back\\slash",
    "\\*",
    "\\",
    "&lt;b&gt;",
    "&#60;b&#62;",
    "line one\nline two",
    "paragraph\n\n# title",
    "tab\tseparated",
    "trailing  \nspaces",
    "    code",
    "'quoted' \"twice\"",
]
JOINER = "\N{WORD JOINER}"
LIVELY = set("\\`*_{}[]()<>#+-.!|~:$&^=\"'/")


def shown(markdown: str) -> str:
    """What a reader sees: escapes taken away, and the joiner, which has no width."""
    return re.sub(r"\\(.)", r"\1", markdown).replace(JOINER, "")


def unescaped(markdown: str) -> set[str]:
    """The characters with a meaning in Markdown that are not escaped."""
    return set(re.sub(r"\\.", "", markdown)) & LIVELY


@pytest.mark.parametrize("name", HOSTILE)
def test_plain_text_has_no_meaning_in_markdown(name):
    assert unescaped(escape_markdown(name)) == set()


@pytest.mark.parametrize("name", HOSTILE)
def test_plain_text_reads_as_the_name(name):
    assert shown(escape_markdown(name)) == " ".join(name.split())


@pytest.mark.parametrize("name", HOSTILE)
def test_plain_text_is_one_line_without_spaces_around(name):
    text = escape_markdown(name)
    assert text == text.strip()
    assert not re.search(r"[\n\r\t]|  ", text)


@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("http://evil", "://"),
        ("https://evil", "://"),
        (":smile:", ":smile"),
        ("a:+1:", ":+1"),
        ("www.evil.com", "www."),
        ("WWW.evil.com", "WWW."),
        ("someone@evil.com", "e@e"),
    ],
)
def test_links_and_emoji_are_broken_even_without_the_escapes(name, live):
    assert live not in re.sub(r"\\(.)", r"\1", escape_markdown(name))


@pytest.mark.parametrize("name", ["cat", "Katze", "gato montés", "猫", "cat 2", "1,797", "é" * 60, "🐈"])
def test_a_harmless_name_stays_as_it_is(name):
    assert escape_markdown(name) == name


def test_a_long_name_loses_its_middle():
    name = "a" * 150 + "b" * 150
    text = escape_markdown(name)
    assert len(text) <= 60
    assert text.startswith("aaa")
    assert text.endswith("bbb")
    assert "…" in text


@pytest.mark.parametrize("limit", [3, 4, 20, 60, 299])
def test_a_long_name_fits_the_limit(limit):
    assert len(escape_markdown("x" * 300, limit)) <= limit


def test_a_name_as_long_as_the_limit_is_whole():
    assert escape_markdown("x" * 60) == "x" * 60
    assert escape_markdown("x" * 300, 300) == "x" * 300


@pytest.mark.parametrize("name", HOSTILE)
def test_a_long_hostile_name_is_as_harmless_as_a_short_one(name):
    long = (name * 300)[:300]
    assert unescaped(escape_markdown(long)) == set()


def test_plain_empty_text_is_empty():
    assert escape_markdown("") == ""
    assert escape_markdown(" \n ") == ""


def test_a_number_keeps_to_its_unit_where_other_space_is_made_even():
    assert escape_markdown(" 25,0\N{NO-BREAK SPACE}%\n  of\t4 ") == "25,0\N{NO-BREAK SPACE}% of 4"
