import math
import re
import time

import pytest

from app.text import decimals, duration, file_size, local_time, percent, plain, span_sentence

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
    assert unescaped(plain(name)) == set()


@pytest.mark.parametrize("name", HOSTILE)
def test_plain_text_reads_as_the_name(name):
    assert shown(plain(name)) == " ".join(name.split())


@pytest.mark.parametrize("name", HOSTILE)
def test_plain_text_is_one_line_without_spaces_around(name):
    text = plain(name)
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
    assert live not in re.sub(r"\\(.)", r"\1", plain(name))


@pytest.mark.parametrize("name", ["cat", "Katze", "gato montés", "猫", "cat 2", "1,797", "é" * 60, "🐈"])
def test_a_harmless_name_stays_as_it_is(name):
    assert plain(name) == name


def test_a_long_name_loses_its_middle():
    name = "a" * 150 + "b" * 150
    text = plain(name)
    assert len(text) <= 60
    assert text.startswith("aaa")
    assert text.endswith("bbb")
    assert "…" in text


@pytest.mark.parametrize("limit", [3, 4, 20, 60, 299])
def test_a_long_name_fits_the_limit(limit):
    assert len(plain("x" * 300, limit)) <= limit


def test_a_name_as_long_as_the_limit_is_whole():
    assert plain("x" * 60) == "x" * 60
    assert plain("x" * 300, 300) == "x" * 300


@pytest.mark.parametrize("name", HOSTILE)
def test_a_long_hostile_name_is_as_harmless_as_a_short_one(name):
    long = (name * 300)[:300]
    assert unescaped(plain(long)) == set()


def test_plain_empty_text_is_empty():
    assert plain("") == ""
    assert plain(" \n ") == ""


@pytest.mark.parametrize(
    ("share", "digits"),
    [(0.0, "0.0"), (1.0, "100.0"), (0.767, "76.7"), (0.76666, "76.7"), (0.0004, "0.0"), (0.9996, "100.0")],
)
def test_a_share_is_shown_with_one_decimal(share, digits):
    assert percent(share).split() == [digits, "%"]


def test_number_and_percent_sign_stay_on_one_line():
    assert " " not in percent(0.5)


@pytest.mark.parametrize(
    ("value", "digits"), [(0.0, "0.000"), (1.0, "1.000"), (0.98765, "0.988"), (-0.25, "-0.250")]
)
def test_a_figure_is_shown_with_three_decimals(value, digits):
    assert decimals(value) == digits


@pytest.mark.parametrize("show", [percent, decimals])
def test_a_figure_that_is_not_defined_is_a_dash(show):
    assert show(math.nan) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (0.04, "0.0 s"),
        (7.96, "8.0 s"),
        (10.0, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (60.0, "1 min 0 s"),
        (125.0, "2 min 5 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (3780.0, "1 h 3 min"),
        (90000.0, "25 h 0 min"),
    ],
)
def test_a_time_span_is_shown_in_the_units_that_matter(seconds, text):
    assert duration(seconds) == text


@pytest.fixture
def one_hour_east(monkeypatch):
    monkeypatch.setenv("TZ", "EAST-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("one_hour_east")
@pytest.mark.parametrize(
    ("stored", "shown_as"),
    [
        ("2026-11-23T13:05:59+00:00", "23 Nov 2026, 14:05"),
        ("2026-12-31T23:30:00+00:00", "01 Jan 2027, 00:30"),
        ("2026-11-23T13:05:00+05:00", "23 Nov 2026, 09:05"),
    ],
)
def test_a_stored_time_is_shown_in_the_zone_of_this_machine(stored, shown_as):
    assert local_time(stored) == shown_as


def test_the_sentence_on_an_interval_names_both_ends():
    sentence = span_sentence(0.704, 0.818)
    assert re.findall(r"\d+", sentence) == ["100", "70", "82"]


def test_without_an_interval_the_sentence_names_no_numbers():
    assert not re.search(r"\d|nan", span_sentence(math.nan, math.nan))


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 kB"), (1499, "1 kB"), (999_000, "999 kB"), (3_400_000, "3.4 MB"), (12_340_000_000, "12.3 GB")],
)
def test_sizes_on_disk_are_told_in_the_fitting_unit(size, text):
    assert file_size(size) == text
