"""Translation of texts that other packages wrote in English: warnings, errors, and names of values.

Such a text is in a catalogue as it is written in the source, with ``{name}`` where a value stands. It arrives here with
the values filled in, some of them from stored predictions, so its source is found by the words around the values.
"""

from __future__ import annotations

import re

from cardiograph.service.web.formats import listed, with_percent_sign
from cardiograph.service.web.language import SOURCE, Language, current, gettext, numerals

_NUMBER = re.compile(r"([-+−]?\d[\d,]*(?:\.\d+)?)(?:(\s?)(\D.*))?", re.DOTALL)

_AFTER_NAME = re.compile(r"\(\?P<\w+>\.\*\?\):\\ ")
"""Start of the expression of a text that starts with a value and a colon."""


def term(name: str) -> str:
    """Translate a name, such as that of a measurement or of a unit; unknown names, such as those of a user, stay."""
    return current().texts.get(name, name)


def with_unit(number: str, unit: str) -> str:
    """Write a number, which is English text, with its unit, which may be empty."""
    return with_percent_sign(number) if unit == "%" else f"{numerals(number)} {term(unit)}".strip()


def translated(text: str) -> str:
    """Translate a text with its values; what is not in the catalogue stays English."""
    language = current()
    return text if language.code == SOURCE else _in(text, language)


def _in(text: str, language: Language) -> str:
    value, semicolon, rest = text.partition("; ")
    if (
        semicolon and (number := _NUMBER.fullmatch(value)) and not number[3]
    ):  # the last value of a text, and the next text
        return gettext("%(first)s; %(rest)s", first=numerals(value), rest=_in(rest, language))
    found = _of_catalogue(text, language)
    if found is not None:
        return found
    if number := _NUMBER.fullmatch(text):
        value, space, unit = number.groups()
        return numerals(value) + (f"{space}{_in(unit, language)}" if unit else "")
    return _parts(text, language)


def _of_catalogue(text: str, language: Language) -> str | None:
    """Translate a text of the catalogue, or two of them with a colon between; None if it is neither."""
    if text in language.texts:
        return language.texts[text]
    head, colon, tail = text.partition(": ")
    known = head in language.texts
    if known and (found := _of_patterns(text, language, after_name=True)):
        return found
    two = colon and (known or "; " not in head)  # else the colon belongs to a later part of an enumeration
    if two and (first := _of_catalogue(head, language)) and (rest := _of_catalogue(tail.rstrip("."), language)):
        return gettext("%(first)s: %(rest)s", first=first, rest=rest) + "." * tail.endswith(".")
    return _of_patterns(text, language)


def _of_patterns(text: str, language: Language, *, after_name: bool = False) -> str | None:
    """Translate a text with values, or only one that starts with a name and a colon; None if no pattern fits."""
    for pattern in language.patterns:
        if after_name and not _AFTER_NAME.match(pattern.expression.pattern):
            continue
        if pattern.words in text and (found := pattern.expression.fullmatch(text)):
            values = {name: _in(value, language) for name, value in found.groupdict().items()}
            return pattern.translation.format(**values)
    return None


def _parts(text: str, language: Language) -> str:
    """Translate the parts of an enumeration."""
    if "; " in text:
        first, _, rest = text.partition("; ")
        return gettext("%(first)s; %(rest)s", first=_in(first, language), rest=_in(rest, language))
    if ", " in text:
        return ", ".join(_in(each, language) for each in text.split(", "))
    if " and " in text:
        return listed([_in(each, language) for each in text.split(" and ")])
    return text
