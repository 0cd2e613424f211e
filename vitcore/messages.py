"""Sentences for people, kept as a template and its values until they are shown.

An error, a finding or a note is made where the facts are, in a thread or a process that knows nothing of the
reader, and may be stored for years. So it carries what it says, and `vitcore.language.translated` puts it
into words where it is shown. `str` gives the English sentence, for the command line and for logs.

A template has named fields, ``Class '{name}' has {count} images.``, and is the key of its translations. What
stands in a field depends on the type of its value only:

- a `str` is a name: it is shown as it is, is never translated, and no brace in it is a field;
- a number is written as the language writes it, an `int` in groups of digits; ``{share:.1%}`` has a format;
- a `Message` is a sentence or a word in the sentence, and is translated as well;
- a `tuple` is a list: ``a, b and c``, or with ``{names:or}`` ``a, b or c``.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, TypeAlias

__all__ = [
    "NOTHING",
    "English",
    "Message",
    "Value",
    "cause",
    "counted",
    "literal",
    "mark",
    "message",
    "packed",
    "quoted",
    "shortened",
    "unpacked",
]

Value: TypeAlias = "str | int | float | Message | tuple[Value, ...]"

_FIELD = re.compile(r"\{(\w+)(?::([^{}]{0,6}))?\}")
_LITERAL = "{text}"


class English:
    """The wording of messages in the language of their templates; other languages are derived from it."""

    def template(self, message: "Message") -> str:
        """Return the template in the form that goes with the message's count."""
        return message.many if message.many and message.count != 1 else message.template

    def number(self, value: float, style: str) -> str:
        """Return a number in the format behind the colon of its field, if there is one."""
        return format(value, style or ("," if isinstance(value, int) else ""))

    def listed(self, items: Sequence[str], style: str) -> str:
        """Return a list, joined by ``and`` or by what stands behind the colon of its field."""
        return f" {style or 'and'} ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


@dataclass(frozen=True)
class Message:
    """A sentence, or part of one.

    Attributes:
        template: In English, with named fields.
        values: What stands in the fields.
        many: The template for another number of things than one, if the sentence is about ``count`` things.
    """

    template: str
    values: Mapping[str, Value] = field(default_factory=dict)
    many: str = ""

    def __str__(self) -> str:
        return self.worded(English())

    def __bool__(self) -> bool:
        return bool(self.template)

    def __hash__(self) -> int:
        return hash((self.template, self.many, frozenset(self.values.items())))

    @property
    def is_literal(self) -> bool:
        """True for a text as it was stored, which is no sentence of a catalogue."""
        return self.template == _LITERAL

    @property
    def count(self) -> int:
        """The number by which the form is chosen; 1 where the message does not count."""
        count = self.values.get("count", 1)
        return count if isinstance(count, int) else 1

    def worded(self, language: English) -> str:
        """Return the sentence in a language."""

        def shown(value: Value, style: str) -> str:
            if isinstance(value, Message):
                return value.worded(language)
            if isinstance(value, tuple):
                return language.listed([shown(item, "") for item in value], style)
            return value if isinstance(value, str) else language.number(value, style)

        def filled(place: re.Match[str]) -> str:
            name, style = place.groups()
            return shown(self.values[name], style or "") if name in self.values else place[0]

        return _FIELD.sub(filled, language.template(self))


def message(template: str, /, **values: object) -> Message:
    """Return a message of these values; what is no `Value` is taken by its text."""
    return Message(template, {name: _value(value) for name, value in values.items()})


def counted(one: str, many: str, /, count: int, **values: object) -> Message:
    """Return a message in the form that goes with a number of things.

    Args:
        one: The template for one thing.
        many: The template for any other number.
        count: How many things there are, the value of ``{count}``.
        **values: Those of the other fields.
    """
    return Message(one, message(one, count=count, **values).values, many)


def literal(text: str) -> Message:
    """Return a text that is shown as it is in every language, such as one that was stored as a sentence."""
    return Message(_LITERAL, {"text": text}) if text else NOTHING


def cause(error: Exception) -> Message:
    """Return what an error says, as it stands alone or in brackets behind what failed by it."""
    if error.args and isinstance(error.args[0], Message):
        return error.args[0]
    reason = getattr(error, "strerror", None)
    return Message(reason) if reason in _OF_THE_SYSTEM else literal(reason or str(error))


def mark(text: str) -> str:
    """Return the text itself: it is extracted here, and given to `message` or to `tr` elsewhere."""
    return text


def quoted(names: Iterable[object]) -> list[str]:
    """Return names in quotes, for a list of them."""
    return [f"'{name}'" for name in names]


def shortened(items: Sequence[object], most: int) -> tuple[Value, ...]:
    """Return a list of which only the first few are named.

    Args:
        items: All of it.
        most: How many to name; behind them stands how many there are besides.
    """
    rest = len(items) - most
    return tuple(map(_value, items[:most])) + ((message("{count} more", count=rest),) if rest > 0 else ())


NOTHING = Message(str())  # noqa: UP018 - no text to be extracted
"""A message that says nothing, and is false."""

_OF_THE_SYSTEM = (  # what `OSError.strerror` says most often
    mark("Disk quota exceeded"),
    mark("Input/output error"),
    mark("No space left on device"),
    mark("No such file or directory"),
    mark("Permission denied"),
    mark("Read-only file system"),
)


def _value(value: object) -> Value:
    if isinstance(value, str | Message):
        return value
    if isinstance(value, Exception):
        return cause(value)
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and math.isfinite(value):
        return float(value)
    if isinstance(value, tuple | list):
        return tuple(map(_value, value))
    return str(value)


# --- on disk -----------------------------------------------------------------------------------


def packed(message: Message) -> dict[str, Any]:
    """Return a message as values that JSON has."""
    values = {name: _packed(value) for name, value in message.values.items()}
    return {"template": message.template, "values": values} | ({"many": message.many} if message.many else {})


def _packed(value: Value) -> Any:
    if isinstance(value, Message):
        return packed(value)
    return [_packed(item) for item in value] if isinstance(value, tuple) else value


def unpacked(value: object) -> Message:
    """Return the message of what `packed` gave; a text, as earlier versions have it, is shown as it is.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, str):
        return literal(value)
    if not isinstance(value, Mapping) or not isinstance(value.get("template"), str):
        raise ValueError("Input should be a message")  # noqa: TRY004 - the value is wrong, not the call
    template, many = value["template"], str(value.get("many", ""))
    values = {str(name): _unpacked(item) for name, item in dict(value.get("values", {})).items()}
    return Message(template, values, many)


def _unpacked(value: object) -> Value:
    if isinstance(value, Mapping):
        return unpacked(value)
    return tuple(map(_unpacked, value)) if isinstance(value, list) else _value(value)
