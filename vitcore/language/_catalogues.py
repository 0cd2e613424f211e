"""Catalogues of translated texts, and the language of now."""

import gettext
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from babel import Locale
from babel.lists import format_list
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from vitcore.messages import English, Message

__all__ = ["LANGUAGES", "current", "install", "ntr", "speaking", "speech", "tr", "translated"]

LANGUAGES = MappingProxyType({"en": "English", "es": "Español"})
"""The name of each language in itself, by its code."""

_LISTING = {"en": "en_GB"}  # British lists have no comma before the last "and"
_spoken: ContextVar[str | None] = ContextVar("language", default=None)
_folders = [Path(__file__).parent / "locale"]
_chosen: list[Callable[[], str]] = []  # how the app knows, once it has said so


def install(folder: Path, chosen: Callable[[], str]) -> None:
    """Add the catalogues of a program around this package, and say how it knows the language.

    Args:
        folder: With ``<language>/LC_MESSAGES/*.po``.
        chosen: The code of the language of whoever is spoken to; asked each time.
    """
    if folder not in _folders:
        _folders.append(folder)
        for cache in (_translations, speech):
            cache.cache_clear()
    _chosen[:] = [chosen]


def current() -> str:
    """The code of the language that is spoken here and now."""
    return _spoken.get() or (_chosen[0]() if _chosen else "en")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak a language inside the block, whatever was chosen."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def tr(text: str) -> str:
    """A text of the code in the language of now; itself where no catalogue has it."""
    return _translations(current()).gettext(text) if text else text


def ntr(one: str, many: str, count: int) -> str:
    """As `tr`, in the form that goes with a number."""
    return _translations(current()).ngettext(one, many, int(count))


def translated(message: Message) -> str:
    """A message in the language of now; what no catalogue has stays English."""
    return message.worded(speech(current()))


class _Speech(English):
    """The wording of messages in another language."""

    def __init__(self, language: str) -> None:
        self._translations = _translations(language)
        self._locale = _LISTING.get(language, language)
        locale = Locale.parse(language)
        symbols = locale.number_symbols["latn"]
        percent = locale.percent_formats[None].suffix[0]
        self._signs = str.maketrans({",": symbols["group"], ".": symbols["decimal"], "%": percent})

    def template(self, message: Message) -> str:
        if not message or message.is_literal:
            return message.template
        if message.many:
            return self._translations.ngettext(message.template, message.many, message.count)
        return self._translations.gettext(message.template)

    def number(self, value: float, style: str) -> str:
        return super().number(value, style).translate(self._signs)

    def listed(self, items: Sequence[str], style: str) -> str:
        return str(format_list(items, "or" if style == "or" else "standard", self._locale))


@lru_cache(maxsize=8)
def speech(language: str) -> English:
    """The wording of messages in a language."""
    return _Speech(language)


@lru_cache(maxsize=8)
def _translations(language: str) -> gettext.NullTranslations:
    """All catalogues of a language, as one."""
    merged: gettext.NullTranslations = gettext.NullTranslations()
    for catalogue in _catalogues(language):
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        translations = gettext.GNUTranslations(compiled)
        translations.add_fallback(merged)
        merged = translations
    return merged


def _catalogues(language: str) -> Iterator[Catalog]:
    for folder in _folders:
        for path in sorted(folder.glob(f"{language}/LC_MESSAGES/*.po")):
            with path.open("rb") as file:
                yield read_po(file, locale=language)
