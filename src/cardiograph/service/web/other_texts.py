"""Translation of texts that other packages wrote in English: warnings, errors, and names of values.

Such a text is in a catalogue as it is written in the source, with ``{name}`` where a value stands. It arrives here with
the values filled in, some of them from stored predictions, so its source is found by the words around the values.
"""

from __future__ import annotations

import re
from cardiograph.service.web.formats import listed, numerals
from cardiograph.service.web.language import SOURCE, Language, current

_NUMBER = re.compile(r"([-+−]?\d[\d,]*(?:\.\d+)?)(?:(\s?)(\D.*))?", re.DOTALL)


def term(name: str) -> str:
    """Translate a name, such as that of a measurement or of a unit; unknown names, such as those of a user, stay."""
    return current().texts.get(name, name)


def translated(text: str) -> str:
    """Translate a text with its values; what is not in the catalogue stays English."""
    language = current()
    return text if language.code == SOURCE else _in(text, language)


def _in(text: str, language: Language) -> str:
    if text in language.texts:
        return language.texts[text]
    for pattern in language.patterns:
        if pattern.words in text and (found := pattern.expression.fullmatch(text)):
            values = {name: _in(value, language) for name, value in found.groupdict().items()}
            return pattern.translation.format(**values)
    if number := _NUMBER.fullmatch(text):
        value, space, unit = number.groups()
        return numerals(value) + (f"{space}{term(unit)}" if unit else "")
    return _parts(text, language)


def _parts(text: str, language: Language) -> str:
    """Translate the parts of an enumeration."""
    for separator in ("; ", ", "):
        if separator in text:
            return separator.join(_in(each, language) for each in text.split(separator))
    if " and " in text:
        return listed([_in(each, language) for each in text.split(" and ")])
    return text
