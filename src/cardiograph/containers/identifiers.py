"""One form for the ids of patients and records, so that one id written in two ways stays one id."""

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
    """Return the form in which ids are compared.

    Unicode is normalized (NFKC), so composed and decomposed letters, and full-width and plain digits, are the same.
    Invisible characters, surrounding spaces and the marks by which a spreadsheet keeps an id as text (a leading
    apostrophe, ``="007"``) are removed. A whole number is written without decimals: ``5.0`` is ``5``. Upper and lower
    case, and leading zeros, are kept: they can tell two patients apart.

    Args:
        value: Text or number; None, NaN and blank text are no id.

    Returns:
        The id; empty where there is none.
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
    """Return whether a spreadsheet has cut digits off an id, so that several patients can share what is left.

    Args:
        value: Text such as ``1.2345E+11``, or a float of more than 15 digits.
    """
    if isinstance(value, float):
        return math.isfinite(value) and abs(value) >= _EXACT_WHOLE
    return bool(_SHORTENED.fullmatch(identifier(value)))


def class_key(name: str) -> str:
    """Return what two spellings of one class share: case, Unicode form and separators between letters do not count."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    visible = "".join(mark for mark in folded if unicodedata.category(mark) != "Cf")
    return _SEPARATOR.sub("", visible.strip())
