"""Translating sentences whose figures and names are filled in already."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from babel import Locale

__all__ = ["Sentences"]

_LONGEST = 5000  # signs of what is looked at
_DEEPEST = 6  # sentences in sentences
_MOST_PARTS = 20  # sentences of a text, items of a list
_TELLING = 10  # letters, below which a pattern is found in anything

_FIELD = re.compile(r"\{(\d+)(!s)?\}")
_LETTER = re.compile(r"[^\W\d_]")
_FULL_STOP = re.compile(r"(?<=[.!?])(\s+)")
_SENTENCE_END = re.compile(r"(?<=[.!?;:])(\s+)")
_LIST = re.compile(r"(, )")
_NAME = r"""(?:'[^']*'|"[^"]*")"""
_NAMES = re.compile(rf"{_NAME}(?:, {_NAME})*")
_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?%?")
_SEVERAL = re.compile(r"'\s.*\s'", re.DOTALL)  # the end of a name, and the beginning of another
_WORD = re.compile(r"""[\w.+-]+|[\[('"].*""", re.DOTALL)
_SIGNS = ".,;:!?"


@dataclass(frozen=True)
class _Pattern:
    """A text with fields.

    Attributes:
        literals: What stands before, between and behind the fields.
        translated: With the same fields, maybe in another order.
        quoted: The fields whose values are names in quotes.
        names: All fields whose values are names; where they have no quotes, the translation has them
            as ``{0!s}``.
        telling: Whether the literals have so many letters that they are not found in anything.
    """

    literals: tuple[str, ...]
    translated: str
    quoted: frozenset[int]
    names: frozenset[int]
    telling: bool

    @classmethod
    def of(cls, text: str, translated: str) -> Self:
        literals = tuple(_FIELD.split(text)[::3])  # literal, number, mark, literal …
        quoted = frozenset(
            place
            for place, (before, behind) in enumerate(pairwise(literals))
            if before.endswith("'") and behind.startswith("'")
        )
        marked = {int(field[1]) for field in _FIELD.finditer(translated) if field[2]}
        telling = len(_LETTER.findall("".join(literals))) >= _TELLING
        return cls(literals, translated, quoted, quoted | marked, telling)

    @property
    def anchor(self) -> str:
        """The longest word that all its sentences have, by which it is looked up; maybe empty."""
        words = "\0".join(self.literals).split()
        return max((word for word in words if "\0" not in word), key=len, default="")

    def values(self, sentence: str) -> list[str] | None:
        """What stands in the fields, each as short as can be; None if the sentence is another."""
        first, *middle, last = self.literals
        end = len(sentence) - len(last)
        if end < len(first) or not (sentence.startswith(first) and sentence.endswith(last)):
            return None
        values, start = [], len(first)
        for literal in middle:
            place = sentence.find(literal, start, end)
            if place < 0:
                return None
            values.append(sentence[start:place])
            start = place + len(literal)
        values.append(sentence[start:end])
        return values if self.telling or self._are_names(values) else None

    def _are_names(self, values: Sequence[str]) -> bool:
        """Whether what stands in the fields of names is one, and not half of the sentence."""
        return all(
            not _SEVERAL.search(values[place]) if place in self.quoted else _WORD.fullmatch(values[place])
            for place in self.names
        )


class Sentences:
    """The texts of a language, and the patterns among them.

    Args:
        texts: Translations by English text.
        language: Its code.
    """

    def __init__(self, texts: Mapping[str, str], language: str) -> None:
        stripped = {text.strip(): translated.strip() for text, translated in texts.items() if translated}
        self._texts = {text: string for text, string in stripped.items() if not _FIELD.search(text)}
        patterns = [_Pattern.of(*pair) for pair in stripped.items() if _FIELD.search(pair[0])]
        patterns.sort(key=lambda pattern: -len("".join(pattern.literals)))  # the most literal first
        self._patterns: dict[str, list[tuple[int, _Pattern]]] = defaultdict(list)
        for rank, pattern in enumerate(patterns):
            self._patterns[pattern.anchor].append((rank, pattern))
        locale = Locale.parse(language)
        symbols = locale.number_symbols["latn"]
        percent = locale.percent_formats[None].suffix[0]
        self._signs = str.maketrans({",": symbols["group"], ".": symbols["decimal"], "%": percent})

    def said(self, sentence: str) -> str:
        """A text in the language; of what is not known as a whole, the sentences that are."""
        if len(sentence) > _LONGEST:
            return sentence
        known: dict[tuple[str, int], str | None] = {}
        told = self._told(sentence, _DEEPEST, known)
        if told is not None:
            return told
        parts = _FULL_STOP.split(sentence)
        return "".join(self._told(part, _DEEPEST, known) or part for part in parts)

    def _told(self, sentence: str, depth: int, known: dict[tuple[str, int], str | None]) -> str | None:
        """A sentence or part of one in the language, with the space around it; None if it is not known.

        Args:
            sentence: In English.
            depth: How many sentences may stand in each other in it.
            known: What was found out before, so that nothing is looked for twice.
        """
        core = sentence.strip()
        if not core:
            return sentence
        key = core, depth
        if key not in known:
            known[key] = None  # until more is known
            known[key] = self._found(core, depth, known)
        told = known[key]
        if told is None:
            return None
        start = sentence.index(core)
        return f"{sentence[:start]}{told}{sentence[start + len(core) :]}"

    def _found(self, core: str, depth: int, known: dict[tuple[str, int], str | None]) -> str | None:
        if core in self._texts:
            return self._texts[core]
        if _NUMBER.fullmatch(core):
            return core.translate(self._signs)
        if _NAMES.fullmatch(core):
            return core
        if not depth:
            return None
        # Parts that are known one by one come first: a pattern would take them for one value.
        for separator in (_SENTENCE_END, _LIST):
            parts = self._parts(separator.split(core), depth, known)
            if parts is not None:
                return parts
        found = self._by_pattern(core, depth, known)
        if found is not None:
            return found
        if core[-1] in _SIGNS:
            rest = self._told(core[:-1], depth - 1, known)
            return None if rest is None else rest + core[-1]
        whole = self._texts.get(f"{core}.") or self._by_pattern(f"{core}.", depth, known)
        return None if whole is None else whole.removesuffix(".")

    def _parts(
        self, parts: Sequence[str], depth: int, known: dict[tuple[str, int], str | None]
    ) -> str | None:
        """Parts and what stands between them, if all of them are known."""
        if not 1 < len(parts) < 2 * _MOST_PARTS:
            return None
        told = []
        for place, part in enumerate(parts):
            translated = part if place % 2 else self._told(part, depth - 1, known)
            if translated is None:
                return None
            told.append(translated)
        return "".join(told)

    def _by_pattern(self, core: str, depth: int, known: dict[tuple[str, int], str | None]) -> str | None:
        for _, pattern in sorted(
            found for word in {"", *core.split()} for found in self._patterns.get(word, ())
        ):
            values = pattern.values(core)
            if values is None:
                continue
            filled = []
            for place, value in enumerate(values):
                told = value if place in pattern.names else self._told(value, depth - 1, known)
                if told is None:
                    if not pattern.telling:
                        break
                    told = value
                filled.append(told)
            else:
                return _FIELD.sub(lambda field: filled[int(field[1])], pattern.translated)  # noqa: B023
        return None
