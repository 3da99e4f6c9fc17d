"""Template of the configuration file: every setting with its meaning."""

from __future__ import annotations

import tomli_w
from pydantic import BaseModel

from cardiograph.config import RunConfig


def commented_toml(config: RunConfig) -> str:
    """Write a configuration as TOML with a comment for each key; keys without a value are commented out."""
    lines = ["# Settings of a cardiograph run. Omitted keys have their default.", ""]
    sections = {}
    for key, field in type(config).model_fields.items():
        value = getattr(config, key)
        if isinstance(value, BaseModel):
            sections[key] = value
        else:
            lines += [f"# {field.description}", tomli_w.dumps({key: value}).rstrip()]
    for name, section in sections.items():
        lines += ["", *(f"# {line}" for line in (type(section).__doc__ or "").strip().splitlines()), f"[{name}]"]
        tables = []
        for key, field in type(section).model_fields.items():
            value = section.model_dump(mode="json")[key]
            comment = f"# {field.description}"
            if value is None or value in ({}, []):
                example = "..." if value is None else str(value)
                lines += [comment, f"# {key} = {example}"]
            elif isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
                tables += [comment, tomli_w.dumps({name: {key: value}}).replace(f"[{name}]\n", "", 1).rstrip()]
            else:
                lines += [comment, tomli_w.dumps({key: value}).rstrip()]
        lines += tables
    return "\n".join(lines) + "\n"
