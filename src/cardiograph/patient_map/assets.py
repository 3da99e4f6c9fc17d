"""Script and style sheet of the map, which the report embeds and the service serves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

SCRIPT, STYLE = "patient-map.js", "patient-map.css"


@cache
def asset(name: str) -> str:
    """Return the text of a file of ``static``."""
    return (resources.files("cardiograph.patient_map") / "static" / name).read_text(encoding="utf-8")


def texts_of_script() -> list[str]:
    """Return the texts that the script shows, in the order of the script."""
    return re.findall(r'(?<!\w)_\("([^"\\]*)"', asset(SCRIPT))


def embedded(content: Mapping[str, Any]) -> str:
    """Return the JSON of a map for a ``script`` element of HTML, in which no text can end the element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
