"""``cardiograph audit``: check a cohort before anything is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cardiograph.cli.options import AsJson, AuditOptions, CohortArgument, config_overrides
from cardiograph.cli.signature import with_options
from cardiograph.errors import ConfigError


@with_options
def audit(
    cohort: CohortArgument,
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for audit.html and audit.json, which are overwritten; audits/NAME by default."),
    ] = None,
    options: AuditOptions,
    as_json: AsJson = False,
) -> None:
    """Find what would make a score on this cohort meaningless, before a model is trained on it."""
    from cardiograph.artifacts.files import write_bytes, write_json
    from cardiograph.cli import console
    from cardiograph.config import load_config
    from cardiograph.report.audit import audit_page
    from cardiograph.run.audit import audit_cohort

    folder = out or Path("audits") / cohort.resolve().stem
    if cohort.is_dir() and folder.resolve().is_relative_to(cohort.resolve()):
        message = (
            f"audit {folder}: is inside the cohort {cohort}, where it would be read as a class; choose another --out"
        )
        raise ConfigError(message)
    settings = load_config(options.config, config_overrides(options))
    with console.bars() as progress:
        result = audit_cohort(cohort, settings, progress=progress)
    write_bytes(folder / "audit.html", audit_page(result).encode())
    write_json(folder / "audit.json", result.as_dict())
    if as_json:
        console.show_json(result.as_dict())
    else:
        console.show_audit(result, str(folder / "audit.html"))
    if result.blocks:
        raise typer.Exit(1)
