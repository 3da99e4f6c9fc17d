"""Rendering of Jinja templates of HTML and Markdown, with the filters that they share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from cardiograph.inline_scripts import report_script
from cardiograph.report import tables
from cardiograph.report.figure_inline import DARK_COLOURS

if TYPE_CHECKING:
    from jinja2 import Environment


def fill(name: str, context: Mapping[str, Any], *, package: str = "cardiograph.report") -> str:
    """Render a template; HTML is escaped, and an undefined name is an error.

    Args:
        name: File in the ``templates`` folder of ``package``; it may include templates of ``cardiograph.report``.
        context: Name -> value; ``contents`` is added, the list in which each section of a page enters its title.
        package: Package of the template.
    """
    text = _environment(package).get_template(name).render({**context, "contents": []})
    return text.encode("utf-8", "replace").decode()  # a file name may hold bytes that are not valid UTF-8


@cache
def _environment(package: str) -> Environment:
    """Return the environment of a package; kept, because it compiles each template once."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

    packages = dict.fromkeys((package, "cardiograph.report"))
    loaders = [*(PackageLoader(each) for each in packages), PackageLoader("cardiograph.patient_map", "static")]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"_": str}  # the map is translated in the service alone
    environment.filters |= {
        "number": tables.number,
        "interval": tables.interval,
        "signed": tables.signed,
        "markdown": _markdown,
        "label_name": lambda row, content: tables.label_name(content, row),
    }
    environment.globals |= {"report_script": report_script, "dark_colours": DARK_COLOURS}
    return environment


def _markdown(text: object) -> str:
    """Escape text for Markdown: one line, without HTML, table or link marks."""
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]#])", r"\\\1", line)
