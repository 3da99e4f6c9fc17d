"""``cardiograph config``: write a configuration file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiograph.cli.assignments import assigned
from cardiograph.cli.options import Assignments, Preset
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.config import RunConfig


def config(
    out: Annotated[Path | None, typer.Option(help="File to write; stdout by default.")] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="Check this TOML file, and write it with the defaults of the settings that it leaves out."),
    ] = None,
    preset: Preset = None,
    set_: Assignments = None,
) -> None:
    """Write every setting with its meaning and value as TOML, ready to edit."""
    from cardiograph.artifacts.files import write_output
    from cardiograph.studies.faults.switches import load_settings

    text = commented_toml(load_settings(check, assigned(set_ or ()), preset=preset))
    if out is None:
        sys.stdout.write(text)
    elif out.is_file() or out.is_dir():
        message = f"{out}: exists already; choose another name"
        raise ConfigError(message)
    else:
        write_output(out, text.encode())


def commented_toml(config: RunConfig) -> str:
    """Write a configuration as TOML with a comment for each key; keys without a value are commented out."""
    import tomli_w
    from pydantic import BaseModel

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
            value = section.model_dump(mode="json").get(key)
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
