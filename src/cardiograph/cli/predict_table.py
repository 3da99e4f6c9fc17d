"""Scores of a table of patients, by a run on this machine or by a running service."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cardiograph.errors import PartialError, ServiceError

if TYPE_CHECKING:
    import pandas as pd

    from cardiograph.client import ServiceClient
    from cardiograph.config_reading import CohortConfig
    from cardiograph.progress import Progress


def table_predictions(
    source: Path | ServiceClient,
    table: Path,
    *,
    progress: Progress,
    gate: bool | None = None,
    reading: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the predictions for a table; ``attrs["notes"]`` names the columns that are not used."""
    if isinstance(source, Path):
        from cardiograph.inference.table import score_table

        return score_table(source, table, progress=progress, gate=gate, pages=reading)
    with source:
        return _predict_table_remotely(source, table, progress, gate)


def _predict_table_remotely(service: ServiceClient, table: Path, progress: Progress, gate: bool | None) -> pd.DataFrame:
    """Score a table through a service.

    The service lists the variables. Columns need the standard names and units, because the run's settings for reading
    tables are not available here.
    """
    from cardiograph.cohort.patients import read_patients
    from cardiograph.inference.table import answers_for

    model = service.model()
    config = cohort_config(model)
    names = [variable.name for variable in config.variables]
    return answers_for(
        read_patients(table, config, outcome="", reads=names),
        service.predict_each,
        variables=names,
        takes_pages=bool(model.get("takes_pages", True)),
        progress=progress,
        stage="calling the service",
        gate=gate,
    )


def cohort_config(model: Mapping[str, Any]) -> CohortConfig:
    """Return the settings for a table with the clinical variables that the service lists for its model."""
    from pydantic import ValidationError

    from cardiograph.config_reading import CohortConfig, VariableConfig

    try:
        variables = [
            VariableConfig(**{key: listed[key] for key in VariableConfig.model_fields if key in listed})
            for listed in model["variables"]
        ]
        return CohortConfig(variables=tuple(variables))
    except (KeyError, TypeError, ValidationError) as error:
        message = "the service lists the variables of its model in an unknown form; compare the versions on both sides"
        raise ServiceError(message) from error


def show_table(scored: Callable[..., pd.DataFrame], out: Path | None, *, strict: bool, as_json: bool) -> None:
    """Write the predictions for a table, and report the patients that have none.

    Raises:
        InputError: Some patients cannot be scored, and ``strict`` requires all of them; nothing is written.
        PartialError: Some patients were not scored; the predictions for the others are written.
    """
    from cardiograph.artifacts.spreadsheet import csv_of_frame
    from cardiograph.cli import console
    from cardiograph.inference.table import all_or_none

    with console.bars() as progress:
        predictions = scored(progress=progress)
    issues, refused = predictions.attrs["issues"], int((predictions["not_scored"] != "").sum())
    if issues and strict:
        raise all_or_none(issues, refused, len(predictions))
    for note in predictions.attrs["notes"]:
        typer.echo(f"note: {note}", err=True)
    if out is not None:
        from cardiograph.artifacts.files import write_output

        write_output(out, csv_of_frame(predictions).encode("utf-8", "surrogateescape"))
        typer.echo(f"predictions: {out}", err=True)
    elif as_json:
        rows = predictions.astype(object).where(predictions.notna(), None)  # JSON has no NaN
        listed = [dataclasses.asdict(issue) for issue in issues]
        console.show_json(
            {"predictions": rows.to_dict("records"), "notes": predictions.attrs["notes"], "issues": listed}
        )
    else:
        sys.stdout.write(csv_of_frame(predictions))
    if issues and as_json:
        raise typer.Exit(PartialError.exit_code)
    if issues:
        message = f"{refused} of {len(predictions)} patients were not scored; column not_scored says why"
        raise PartialError(message, issues)
