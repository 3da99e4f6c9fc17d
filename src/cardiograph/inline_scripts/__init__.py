"""Scripts that HTML files embed, and the expressions by which a Content-Security-Policy allows them."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def report_script() -> str:
    """Return the script of the reports: folding sections, enlarged figures, values on hover."""
    return (resources.files("cardiograph.inline_scripts") / "static" / "report.js").read_text(encoding="utf-8")


@cache
def known_sources() -> tuple[str, ...]:
    """Return the source expressions of all versions of the scripts that reports have embedded."""
    listed = (resources.files("cardiograph.inline_scripts") / "static" / "versions.txt").read_text(encoding="utf-8")
    return tuple(f"'{line.split()[0]}'" for line in listed.splitlines() if line and not line.startswith("#"))
