"""``cardiograph config``: write a configuration file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cardiograph.cli.options import Assignments, Preset, assigned
from cardiograph.errors import ConfigError


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
    from cardiograph.cli.config_template import commented_toml
    from cardiograph.studies.faults.switches import load_settings

    text = commented_toml(load_settings(check, assigned(set_ or ()), preset=preset))
    if out is None:
        sys.stdout.write(text)
    elif out.is_file() or out.is_dir():
        message = f"{out}: exists already; choose another name"
        raise ConfigError(message)
    else:
        write_output(out, text.encode())
