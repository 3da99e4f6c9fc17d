"""Script, style sheet and markup of the map, which the report embeds and the service serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

SCRIPT, STYLE, MARKUP = "patient-map.js", "patient-map.css", "patient-map.html"


@cache
def asset(name: str) -> str:
    """Return the text of a file of ``static``."""
    return (resources.files("cardiograph.patient_map") / "static" / name).read_text(encoding="utf-8")


def embedded(content: Mapping[str, Any]) -> str:
    """Return the JSON of a map for a ``script`` element of HTML, in which no text can end the element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
