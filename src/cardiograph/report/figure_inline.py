"""Figures as part of an HTML page: unique ids, colours that follow the theme of the page, values on hover."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from cardiograph.report.figure_spots import Spot

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
UNWANTED = {f"{{{SVG}}}metadata", f"{{{SVG}}}style"}
"""Elements of matplotlib that do not belong in a page: the style would apply to all of it."""
SPOT_RADIUS = "5"

DARK_COLOURS = {
    "#ffffff": "#1b222b",
    "#000000": "#e6e9ee",
    "#1f2a37": "#e6e9ee",
    "#5b6676": "#a4adba",
    "#d5dae1": "#4a5666",
    "#e9ecf0": "#2c3541",
    "#f5f6f8": "#232b35",
    "#332288": "#a99cff",
    "#0072b2": "#58b0e6",
    "#0f7ba3": "#5cc4e8",
    "#d55e00": "#ff8f3f",
    "#117a65": "#5fd0b4",
    "#009e73": "#3fcf9f",
    "#44803f": "#86c780",
    "#b03060": "#ff86ae",
    "#8a6d00": "#d9b93b",
    "#7a4a21": "#d3a06e",
}
"""Colour of the figures -> its colour on a dark page; all others are legible on both."""

_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_COLOUR = re.compile("|".join(DARK_COLOURS))


def inline_svg(svg: str, name: str, alt: str, spots: Sequence[Spot] = ()) -> str:
    """Return a drawing as an ``svg`` element for an HTML page.

    Args:
        svg: Drawing as matplotlib writes it.
        name: Name of the figure, unique in the page; it begins all ids.
        alt: Alternative text.
        spots: Values to show on hover.
    """
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(svg.encode())  # noqa: S314 - drawn by this program
    for parent in list(root.iter()):
        for child in [each for each in parent if each.tag in UNWANTED]:
            parent.remove(child)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    _rename(root, name)
    _theme(root)
    root.attrib |= {"class": "chart", "role": "img", "aria-label": alt}
    for spot in spots:
        circle = ET.SubElement(root, f"{{{SVG}}}circle", {"class": "spot", "cx": f"{spot.x:g}", "cy": f"{spot.y:g}",
                                                          "r": SPOT_RADIUS})  # fmt: skip
        ET.SubElement(circle, f"{{{SVG}}}title").text = spot.text
    return ET.tostring(root, encoding="unicode")


def _rename(root: ET.Element, name: str) -> None:
    """Keep the ids that something refers to, and begin them with the name of the figure."""
    used = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == HREF and value.startswith("#"):
                used.add(value[1:])
                element.set(key, f"#{name}-{value[1:]}")
            elif match := _REFERENCE.search(value):
                used.add(match[1])
                element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))
    for element in root.iter():
        identifier = element.attrib.pop("id", None)
        if identifier in used:
            element.set("id", f"{name}-{identifier}")


def _theme(root: ET.Element) -> None:
    """Replace colours by variables of the page, which are undefined on a light one."""
    for element in root.iter():
        if style := element.get("style"):
            element.set("style", _COLOUR.sub(lambda found: f"var(--figure-{found[0][1:]}, {found[0]})", style))
