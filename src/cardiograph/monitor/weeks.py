"""Weeks of times."""

from __future__ import annotations

from datetime import datetime


def week_of(text: str) -> str | None:
    """Return the ISO week of a time, such as ``2026-W11``; None if the text is no time."""
    try:
        year, week, _ = datetime.fromisoformat(text).isocalendar()
    except ValueError:
        return None
    return f"{year}-W{week:02d}"
