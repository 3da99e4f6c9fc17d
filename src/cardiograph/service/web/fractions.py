"""Fractions such as the ejection fraction, which people may write in percent."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import Response

from cardiograph.schema import ClinicalVariable

COOKIE, PERCENT = "cardiograph-fractions", "percent"
"""Cookie that remembers the choice, and its only value; without it, fractions are written as fractions."""

_YEAR_SECONDS = 365 * 24 * 3600


def is_fraction(variable: ClinicalVariable) -> bool:
    """Return whether a variable may be written in percent."""
    return variable.unit == "fraction"


def of_percent(text: str) -> str:
    """Convert a number in percent to a fraction, digit by digit: ``34.1`` -> ``0.341``; other texts stay as they are."""
    try:
        return str(Decimal(text).scaleb(-2))
    except InvalidOperation:
        return text


def percent_text(value: float) -> str:
    """Format a fraction in percent, without the sign: 0.341 -> ``34.1``."""
    return f"{100 * value:.12g}"


def fault_of(variable: ClinicalVariable, text: str, value: float, *, percent: bool) -> str:
    """Return what is wrong with a fraction outside its range, and which unit it would fit.

    Args:
        variable: Variable that is a fraction.
        text: Number as it was entered.
        value: The fraction that it stands for.
        percent: Whether it was entered in percent.
    """
    fraction, percents = range_text(variable, percent=False), range_text(variable, percent=True)
    other = value * 100 if percent else value / 100
    given = f"“{text[:40]}{' %' if percent else ''}”"
    if variable.low <= other <= variable.high:
        allowed, unit, choice = (percents, "a fraction", "fraction") if percent else (fraction, "in percent", "%")
        return f"{given} is not within {allowed}. If it is {unit}, choose “{choice}” next to the field."
    return f"{given} fits neither {fraction} nor {percents}; check the value, or leave the field empty."


def range_text(variable: ClinicalVariable, *, percent: bool) -> str:
    """Return the allowed range: ``0.05 to 0.9`` or ``5 to 90 %``."""
    if percent:
        return f"{percent_text(variable.low)} to {percent_text(variable.high)}\N{NO-BREAK SPACE}%"
    return f"{variable.low:g} to {variable.high:g}"


def prefers_percent(request: Request) -> bool:
    """Return whether this browser wrote fractions in percent the last time."""
    return request.cookies.get(COOKIE) == PERCENT


def remember(request: Request, response: Response, *, percent: bool) -> None:
    """Remember in the browser how fractions are written; nothing is stored for the default."""
    if percent == prefers_percent(request):
        return
    seconds = _YEAR_SECONDS if percent else 0
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, PERCENT, max_age=seconds, secure=secure, httponly=True, samesite="strict")
