"""Scripts that HTML files embed, and the expressions by which a Content-Security-Policy allows them."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources


@cache
def report_script() -> str:
    """Return the script of the reports: folding sections, enlarged figures, values on hover."""
    return (resources.files("cardiograph.inline_scripts") / "static" / "report.js").read_text(encoding="utf-8")


def script_source(script: str) -> str:
    """Return the source expression that allows a script with exactly this text."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
