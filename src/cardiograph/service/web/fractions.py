"""Fractions such as the ejection fraction, which people may write in percent."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import Response

from cardiograph.schema import ClinicalVariable
from cardiograph.service.web.formats import with_percent_sign
from cardiograph.service.web.language import gettext, numerals

COOKIE, PERCENT = "cardiograph-fractions", "percent"
"""Cookie that remembers the choice, and its only value; without it, fractions are written as fractions."""

FRACTION = "fraction"
"""Unit of the variables that may be written in percent."""

_YEAR_SECONDS = 365 * 24 * 3600


def is_fraction(variable: ClinicalVariable) -> bool:
    """Return whether a variable may be written in percent."""
    return variable.unit == FRACTION


def of_percent(text: str) -> str:
    """Convert a number in percent to a fraction, digit by digit: ``34.1`` -> ``0.341``; other texts stay as they are."""
    try:
        return str(Decimal(text).scaleb(-2))
    except InvalidOperation:
        return text


def percent_text(value: float) -> str:
    """Format a fraction in percent, without the sign: 0.341 -> ``34.1``."""
    return f"{100 * value:.12g}"


def in_chosen_unit(value: float, unit: str, *, percent: bool) -> tuple[str, str]:
    """Return a value as a number, which is English text, and its unit; a fraction in percent if that is preferred."""
    if percent and unit == FRACTION:
        return percent_text(value), "%"
    return f"{value:.12g}", unit


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
    given = with_percent_sign(text[:40]) if percent else text[:40]
    if not variable.low <= other <= variable.high:
        return gettext(
            "“%(given)s” fits neither %(fraction)s nor %(percents)s; check the value, or leave the field empty.",
            given=given,
            fraction=fraction,
            percents=percents,
        )
    if percent:
        return gettext(
            "“%(given)s” is not within %(allowed)s. If it is a fraction, choose “fraction” next to the field.",
            given=given,
            allowed=percents,
        )
    return gettext(
        "“%(given)s” is not within %(allowed)s. If it is in percent, choose “%%” next to the field.",
        given=given,
        allowed=fraction,
    )


def range_text(variable: ClinicalVariable, *, percent: bool) -> str:
    """Return the allowed range: ``0.05 to 0.9`` or ``5 to 90 %``."""
    if percent:
        low, high = numerals(percent_text(variable.low)), with_percent_sign(percent_text(variable.high))
    else:
        low, high = numerals(f"{variable.low:g}"), numerals(f"{variable.high:g}")
    return gettext("%(low)s to %(high)s", low=low, high=high)


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
