"""Script and style sheet of the map, which the report embeds and the service serves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

SCRIPTS, STYLE = ("patient-map-ecg.js", "patient-map.js"), "patient-map.css"


@cache
def asset(name: str) -> str:
    """Return the text of a file of ``static``."""
    return (resources.files("cardiograph.patient_map") / "static" / name).read_text(encoding="utf-8")


def map_script() -> str:
    """Return the scripts as one, for an HTML file that embeds them."""
    return "".join(map(asset, SCRIPTS))


def texts_of_script() -> list[str]:
    """Return the texts that the scripts show, in their order."""
    return re.findall(r'(?<!\w)_\("([^"\\]*)"', map_script())


def embedded(content: Mapping[str, Any]) -> str:
    """Return the JSON of a map for a ``script`` element of HTML, in which no text can end the element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
