"""Numbers, dates and lists as text, in the language of the request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from babel.dates import format_date

from cardiograph.service.web.language import current, gettext, numerals


def percent(share: float) -> str:
    """Format a fraction: 0.4831 -> ``48.3 %`` with a no-break space; only 0 and 1 give 0 % and 100 %."""
    text = f"{100 * share:.1f}"
    if 0 < share < 1:
        text = {"0.0": "<\N{NO-BREAK SPACE}0.1", "100.0": ">\N{NO-BREAK SPACE}99.9"}.get(text, text)
    return with_percent_sign(text)


def with_percent_sign(number: str) -> str:
    """Append the percent sign to a number, which is English text."""
    return gettext("%(number)s\N{NO-BREAK SPACE}%%", number=numerals(number))


def points(effect: float) -> str:
    """Format an effect in signed percentage points: 0.0312 -> ``+3.1``; zero has no sign."""
    text = f"{100 * effect:+.1f}".replace("-", "−")
    return numerals("0.0" if text in ("+0.0", "−0.0") else text)


def number(value: float | None) -> str:
    """Format a value with up to 12 digits; a dash if it is missing."""
    return "–" if value is None else numerals(f"{value:.12g}")


def decimals(value: float, places: int) -> str:
    """Format a value with a fixed number of decimal places."""
    return numerals(f"{value:.{places}f}")


def significant(value: float, digits: int) -> str:
    """Format a value with a number of significant digits."""
    return numerals(f"{value:.{digits}g}")


def capitalize_first(text: str) -> str:
    """Return a text that begins with a capital letter; the others stay as they are."""
    return text[:1].upper() + text[1:]


def distance(value: float) -> str:
    """Format a distance: 3.4178 -> ``3.42``; small ones keep two significant digits."""
    return numerals(f"{value:.2f}" if value >= 0.1 else f"{value:.2g}")


def day(moment: str | datetime) -> str:
    """Format a date and time, in UTC."""
    moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    date, time = format_date(moment, "d MMMM y", current().locale), moment.strftime("%H:%M")
    return gettext("%(date)s, %(time)s UTC", date=date, time=time)


def listed(texts: Sequence[str]) -> str:
    """Join texts: ``A, B and C``."""
    if len(texts) < 2:
        return "".join(texts)
    return gettext("%(first)s and %(last)s", first=", ".join(texts[:-1]), last=texts[-1])
