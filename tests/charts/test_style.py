import re

from tests.charts.conftest import HOSTILE, names
from vitcore.charts import class_colours


def test_each_of_the_first_classes_has_a_colour_of_its_own():
    colours = class_colours(names(8))
    assert list(colours) == names(8)
    assert len(set(colours.values())) == 8
    assert colours["class 0"] == "#0072B2"


def test_many_classes_have_colours_too():
    colours = class_colours(names(100)).values()
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in colours)
    assert len(set(colours)) >= 40


def test_a_class_keeps_its_colour_when_more_are_added():
    few, many = class_colours(names(5)), class_colours(names(50))
    assert {name: many[name] for name in few} == few


def test_any_name_can_have_a_colour():
    assert set(class_colours(HOSTILE)) == set(HOSTILE)
    assert class_colours([]) == {}
