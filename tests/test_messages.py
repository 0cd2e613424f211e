"""A message keeps a sentence as a template and its values, and words it where it is shown."""

import copy
import errno
import math
from pathlib import Path

import numpy as np
import pytest

from vitcore.errors import DatasetError, VitcoreError
from vitcore.language import speaking, translated
from vitcore.messages import Message, counted, literal, message, shortened

NAMES = ("men's", "d'Artagnan's", "a, b and c", "{x}", "{name}", "{0}", "%s", "images", "training. ", "\\1")


def in_spanish(sentence: Message) -> str:
    with speaking("es"):
        return translated(sentence)


@pytest.mark.parametrize(
    ("sentence", "english", "spanish"),
    [
        (message("{n} of {m}", n=1234, m=1234567), "1,234 of 1,234,567", "1.234 of 1.234.567"),
        (message("{x} and {y:.1f}", x=0.25, y=1234.56), "0.25 and 1234.6", "0,25 and 1234,6"),
        (message("{share:.1%}", share=0.765), "76.5%", "76,5\N{NO-BREAK SPACE}%"),
        (message("{n:,} {m:04X}", n=np.int64(1234), m=10), "1,234 000A", "1.234 000A"),
        (message("{x}", x=np.float32(0.5)), "0.5", "0,5"),
        (message("{x}", x=math.nan), "nan", "nan"),
        (message("{x} {y}", x=True, y=None), "True None", "True None"),
        (message("{path}", path=Path("a/b")), "a/b", "a/b"),
        (message("{names}", names=[]), "", ""),
        (message("{names}", names=["a"]), "a", "a"),
        (message("{names}", names=("a", "b")), "a and b", "a y b"),
        (message("{names}", names=("a", "b", "c")), "a, b and c", "a, b y c"),
        (message("{names:or}", names=("a", "b", "c")), "a, b or c", "a, b o c"),
        (message("{names}", names=shortened("abcd", 4)), "a, b, c and d", "a, b, c y d"),
        (message("{names}", names=shortened("abcdef", 2)), "a, b and 4 more", "a, b y 4 más"),
        (counted("{count} image", "{count} images", 1), "1 image", "1 imagen"),
        (counted("{count} image", "{count} images", 1234), "1,234 images", "1.234 imágenes"),
        (message("{what}!", what=message("training")), "training!", "entrenamiento!"),
        (message("{what}!", what="training"), "training!", "training!"),
        (literal("training"), "training", "training"),
        (literal("{text} {x}"), "{text} {x}", "{text} {x}"),
        (message("{a} {b}", a="{b}", b="{a}"), "{b} {a}", "{b} {a}"),
        (message("{missing} {'key': 1}"), "{missing} {'key': 1}", "{missing} {'key': 1}"),
        (message("{e}", e=OSError(errno.ENOSPC, "No space left on device")), "No space left on device", "No"),
        (message("{e}", e=ValueError("of images")), "of images", "of images"),
        (message("{e}", e=DatasetError("{n} images", n=2)), "2 images", "2 images"),
    ],
)
def test_a_message_is_worded_by_what_its_values_are(sentence, english, spanish):
    assert str(sentence) == english
    assert in_spanish(sentence).startswith(spanish)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_comes_through_every_form(name):
    for sentence in (
        message("Class '{name}'.", name=name),
        message("{names:or}", names=[name, name]),
        message("{name}: {names}", name=message("{name}", name=name), names=shortened([name] * 9, 3)),
        counted("{count} image of {name}", "{count} images of {name}", 3, name=name),
        literal(name),
    ):
        assert name in str(sentence)
        assert name in in_spanish(sentence)


def test_messages_are_equal_and_found_in_sets_by_what_they_say():
    first, same, other = (message("{a} {b}", a=a, b=("x", message("y"))) for a in (1, 1, 2))
    assert first == same != other
    assert {first, same, other} == {first, other}


def test_an_error_keeps_its_message_and_says_it_in_english():
    error = DatasetError(
        "Class '{name}' has {count} images; give at least {least}.", name="a", count=1, least=5
    )
    assert str(error) == str(error.message) == "Class 'a' has 1 images; give at least 5."
    assert copy.copy(error).message == error.message
    assert VitcoreError(error.message).message == error.message
    assert str(VitcoreError("plain {text}")) == "plain {text}"
