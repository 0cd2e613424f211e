import math
import re
import time

import pytest

from vitcore.language import (
    decimals,
    duration,
    file_size,
    local_time,
    number,
    percent,
    span_sentence,
    speaking,
)


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


@pytest.mark.parametrize("group", ["", "series"])
def test_the_sentence_on_an_interval_names_both_ends(group):
    sentence = span_sentence(0.704, 0.818, new_group=group)
    assert re.findall(r"\d+", sentence) == ["100", "70", "82"]
    assert ("of a new series" in sentence) == bool(group)


def test_without_an_interval_the_sentence_names_no_numbers():
    assert not re.search(r"\d|nan", span_sentence(math.nan, math.nan))


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 kB"), (1499, "1 kB"), (999_000, "999 kB"), (3_400_000, "3.4 MB"), (12_340_000_000, "12.3 GB")],
)
def test_sizes_on_disk_are_told_in_the_fitting_unit(size, text):
    assert file_size(size) == text


@pytest.mark.parametrize(
    ("value", "places", "english", "spanish"),
    [
        (1234567, 0, "1,234,567", "1.234.567"),
        (1234.5, 1, "1,234.5", "1.234,5"),
        (0.5, 3, "0.500", "0,500"),
        (-0.25, 2, "-0.25", "-0,25"),
    ],
)
def test_numbers_are_written_as_in_the_language(value, places, english, spanish):
    assert number(value, places) == english
    with speaking("es"):
        assert number(value, places) == spanish


def test_figures_follow_the_language():
    with speaking("es"):
        assert percent(0.767).split() == ["76,7", "%"]
        assert decimals(0.5) == "0,500"
        assert duration(3.25) == "3,2 s"
        assert file_size(3_400_000) == "3,4 MB"
