"""The configuration as TOML with a comment for every key, made from the same fields that check it."""

from __future__ import annotations

import tomli_w
from pydantic import BaseModel

from cardiograph.config import RunConfig


def commented_toml(config: RunConfig) -> str:
    """Every setting of ``config`` with its meaning; a key without a value stands commented out."""
    lines = ["# Settings of a cardiograph run; what is left out has its default.", ""]
    sections = {}
    for key, about in type(config).model_fields.items():
        value = getattr(config, key)
        if isinstance(value, BaseModel):
            sections[key] = value
        else:
            lines += [f"# {about.description}", tomli_w.dumps({key: value}).rstrip()]
    for name, section in sections.items():
        lines += ["", *(f"# {line}" for line in (type(section).__doc__ or "").strip().splitlines()), f"[{name}]"]
        tables = []
        for key, about in type(section).model_fields.items():
            value = section.model_dump(mode="json")[key]
            comment = f"# {about.description}"
            if value is None or value in ({}, []):
                example = "..." if value is None else str(value)
                lines += [comment, f"# {key} = {example}"]
            elif isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
                tables += [comment, tomli_w.dumps({name: {key: value}}).replace(f"[{name}]\n", "", 1).rstrip()]
            else:
                lines += [comment, tomli_w.dumps({key: value}).rstrip()]
        lines += tables
    return "\n".join(lines) + "\n"
