"""Normal form of patient ids, record ids and class names, so that spelling variants are recognised as equal."""

from __future__ import annotations

import math
import re
import unicodedata

_WHOLE = re.compile(r"(-?[0-9]+)[.,]0{1,2}")
_FORMULA = re.compile(r'="(.*)"')
_SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]{2,3}")
_SEPARATOR = re.compile(r"(?<=[^\W_])[\s_\u2010-\u2015\u2212-]+(?=[^\W_])")
_EXACT_WHOLE = 1e15


def identifier(value: object) -> str:
    """Return the normal form of an id, in which ids are compared.

    Unicode is normalized (NFKC), so composed and decomposed letters, and full-width and plain digits, are the same.
    Invisible characters, surrounding spaces and the marks with which a spreadsheet keeps an id as text (a leading
    apostrophe, ``="007"``) are removed. A whole number is written without decimals: ``5.0`` becomes ``5``. Case and
    leading zeros are kept, because they can distinguish two patients.

    Args:
        value: Text or number; None, NaN and blank text mean that there is no id.

    Returns:
        The normal form; empty if there is no id.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = unicodedata.normalize("NFKC", str(value))
    text = " ".join("".join(mark for mark in text if unicodedata.category(mark) != "Cf").split())
    if formula := _FORMULA.fullmatch(text):
        text = formula.group(1).strip()
    text = text.removeprefix("'").strip()
    whole = _WHOLE.fullmatch(text)
    return whole.group(1) if whole else text


def is_shortened(value: object) -> bool:
    """Return whether a spreadsheet has removed digits of an id, so that several patients can have the same id.

    Args:
        value: Text or number; ``1.2345E+11`` and floats with more than 15 digits are shortened.
    """
    if isinstance(value, float):
        return math.isfinite(value) and abs(value) >= _EXACT_WHOLE
    return bool(_SHORTENED.fullmatch(identifier(value)))


def class_key(name: str) -> str:
    """Return the normal form of a class name, without differences in case, Unicode form and separators."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    visible = "".join(mark for mark in folded if unicodedata.category(mark) != "Cf")
    return _SEPARATOR.sub("", visible.strip())
