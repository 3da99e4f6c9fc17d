"""Languages of the web UI: their catalogues, and the language of the current request."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, cached_property
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

SOURCE = "en"
"""Language of the texts in the source code."""

FOLDER = resources.files("cardiograph.service.web") / "locale"
"""Folder of the catalogues: ``CODE/LC_MESSAGES/messages.po``."""


_PLACE = re.compile(r"\{(\w+)\}")
"""A value in a text that another package writes."""

LETTERS = 5
"""Fewest letters around the values by which such a text is recognised."""


class Pattern(NamedTuple):
    """A text with values that another package writes: its longest words, what it matches, and its translation."""

    words: str
    expression: re.Pattern[str]
    translation: str


@dataclass(frozen=True)
class Language:
    """A language of the web UI.

    Args:
        code: Language tag of BCP 47, such as ``fr``.
        translations: Catalogue; the source language has an empty one.
        texts: Source text -> translation, without plurals; empty for the source language.
    """

    code: str
    translations: NullTranslations
    texts: Mapping[str, str]

    @cached_property
    def locale(self) -> Locale:
        """Conventions of the language."""
        return Locale.parse(self.code, sep="-")

    @cached_property
    def title(self) -> str:
        """Name of the language in itself, such as ``Français``."""
        name = self.locale.get_display_name(self.locale) or self.code
        return name[:1].upper() + name[1:]

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """Texts with values that other packages write, those with most words first."""
        found = []
        for text, translation in self.texts.items():
            pieces = _PLACE.split(text)
            letters = sum(map(str.isalpha, "".join(pieces[::2])))
            if len(pieces) > 1 and letters >= LETTERS:
                source = "".join(f"(?P<{each}>.*?)" if n % 2 else re.escape(each) for n, each in enumerate(pieces))
                pattern = Pattern(max(pieces[::2], key=len), re.compile(source, re.DOTALL), translation)
                found.append((letters, pattern))
        return tuple(pattern for _, pattern in sorted(found, key=lambda each: -each[0]))

    @property
    def direction(self) -> str:
        """Direction of its script, ``ltr`` or ``rtl``."""
        return str(self.locale.text_direction)

    @cached_property
    def numerals(self) -> dict[int, str]:
        """Table for :meth:`str.translate` from the marks of an English number to those of the language.

        Signs of languages that are written from right to left come with a mark that keeps them before the number.
        """
        marks = self.locale.number_symbols["latn"]
        found = {".": marks["decimal"], ",": marks["group"], "+": marks["plusSign"], "-": marks["minusSign"]}
        return {ord(mark): each for mark, each in (found | {"−": found["-"].replace("-", "−")}).items()}


def load_languages(folder: Traversable) -> dict[str, Language]:
    """Return code -> language: the source language, and every language that has a catalogue.

    Args:
        folder: Folder of the catalogues.
    """
    found = {SOURCE: _ENGLISH}
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        file = each / "LC_MESSAGES" / "messages.po"
        if file.is_file():
            found[each.name.replace("_", "-")] = _load(each.name.replace("_", "-"), file.read_bytes())
    return found


@cache
def languages() -> dict[str, Language]:
    """Return the languages of the package, which are read once."""
    return load_languages(FOLDER)


def _load(code: str, content: bytes) -> Language:
    catalogue, compiled = read_po(io.BytesIO(content)), io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    texts = {each.id: each.string for each in catalogue if each.id and isinstance(each.id, str) and not each.fuzzy}
    return Language(code, GNUTranslations(compiled), {text: str(found) for text, found in texts.items() if found})


_ENGLISH = Language(SOURCE, NullTranslations(), {})

_CURRENT: ContextVar[Language] = ContextVar("language", default=_ENGLISH)


def current() -> Language:
    """Return the language of the current request; outside of the web UI the source language."""
    return _CURRENT.get()


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Make a language the current one of this thread or task."""
    token = _CURRENT.set(language)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def gettext(message: str, /, **values: object) -> str:
    """Translate a text and fill it in.

    Args:
        message: English text with places such as ``%(name)s``; a percent sign is ``%%``.
        values: Content of the places.
    """
    return current().translations.gettext(message) % values


def ngettext(singular: str, plural: str, number: int, /, **values: object) -> str:
    """Translate a text whose form depends on a number, and fill it in, as :func:`gettext`."""
    return current().translations.ngettext(singular, plural, number) % values


def deferred(message: str) -> str:
    """Mark a text for translation and return it unchanged; it is translated where it is used."""
    return message


def numerals(number: str) -> str:
    """Write a number as the current language does, from ``1,234.5``."""
    return number.translate(current().numerals) if current().code != SOURCE else number


def plain_number(text: str, language: Language | None = None) -> str:
    """Return an entered number with a decimal point; a decimal comma is read in languages that write one.

    Args:
        text: Number as it was entered.
        language: Language in which it was entered; by default the current one.
    """
    return text.replace(_decimal_mark(language or current()), ".")


def rewritten_number(text: str, code: str) -> str:
    """Return a number that was entered in another language with the decimal mark of the current one.

    Args:
        text: Number as it was entered.
        code: Language in which it was entered; if there is no such language, the text stays as it is.
    """
    language = languages().get(code)
    if language is None or language.code == current().code:
        return text
    return plain_number(text, language).replace(".", _decimal_mark(current()))


def _decimal_mark(language: Language) -> str:
    mark: str = language.locale.number_symbols["latn"]["decimal"]
    return mark
