"""Scores of a table of patients, by a run on this machine or by a running service."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from cardiograph.errors import PartialError, ServiceError

if TYPE_CHECKING:
    from cardiograph.client import ServiceClient
    from cardiograph.config_reading import CohortConfig
    from cardiograph.inference.table import TableScores
    from cardiograph.progress import Progress


@contextmanager
def table_scores(
    source: Path | ServiceClient,
    table: Path,
    *,
    progress: Progress,
    gate: bool | None = None,
    reading: Mapping[str, Any] | None = None,
) -> Iterator[TableScores]:
    """Yield the scores of the patients of a table, by a run or by a service, which closes at the end of the block."""
    if isinstance(source, Path):
        from cardiograph.inference.table import open_scores

        yield open_scores(source, table, progress=progress, gate=gate, pages=reading)
        return
    with source:
        yield _remote_scores(source, table, progress, gate)


def _remote_scores(service: ServiceClient, table: Path, progress: Progress, gate: bool | None) -> TableScores:
    """Return the scores by a service.

    The service lists the variables. Columns need the standard names and units, because the run's settings for reading
    tables are not available here.
    """
    from cardiograph.cohort.patients import PatientTable
    from cardiograph.inference.table import TableScores

    model = service.model()
    config = cohort_config(model)
    names = [variable.name for variable in config.variables]
    return TableScores(
        PatientTable(table, config, reads=names, progress=progress),
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


def show_table(
    scored: Callable[..., AbstractContextManager[TableScores]], out: Path | None, *, strict: bool, as_json: bool
) -> None:
    """Write the predictions for a table, and report the patients that have none.

    Rows are written to a temporary file while patients are scored; only JSON is collected in memory.

    Raises:
        InputError: Some patients cannot be scored, and ``strict`` requires all of them; nothing is written.
        PartialError: Some patients were not scored; the predictions for the others are written.
    """
    from cardiograph.artifacts.files import written_output
    from cardiograph.cli import console

    with tempfile.TemporaryFile() as waiting:
        with console.bars() as progress, scored(progress=progress) as scores:
            if out is not None:
                with written_output(out) as handle:
                    _write_rows(scores, handle, strict=strict)
            elif as_json:
                predictions = scores.frame(list(itertools.chain.from_iterable(scores)))
                _require_all(scores, strict=strict)
            else:
                _write_rows(scores, waiting, strict=strict)
        for note in scores.notes:
            typer.echo(f"note: {note}", err=True)
        if out is not None:
            typer.echo(f"predictions: {out}", err=True)
        elif as_json:
            rows = predictions.astype(object).where(predictions.notna(), None)  # JSON has no NaN
            listed = [dataclasses.asdict(issue) for issue in scores.issues]
            console.show_json({"predictions": rows.to_dict("records"), "notes": scores.notes, "issues": listed})
        else:
            waiting.seek(0)
            with open(waiting.fileno(), encoding="utf-8", errors="surrogateescape", newline="", closefd=False) as text:
                shutil.copyfileobj(text, sys.stdout)
    if scores.issues and as_json:
        raise typer.Exit(PartialError.exit_code)
    if scores.issues:
        message = f"{scores.refused} of {scores.rows} patients were not scored; column not_scored says why"
        raise PartialError(message, scores.issues)


def _write_rows(scores: TableScores, handle: BinaryIO, *, strict: bool) -> None:
    """Write the rows as CSV while they are scored."""
    from cardiograph.artifacts.spreadsheet import csv_of_frame

    for number, rows in enumerate(scores):
        handle.write(csv_of_frame(scores.frame(rows), header=not number).encode("utf-8", "surrogateescape"))
    handle.flush()
    _require_all(scores, strict=strict)


def _require_all(scores: TableScores, *, strict: bool) -> None:
    """Raise InputError if some patients cannot be scored and all are required."""
    if strict and scores.issues:
        from cardiograph.inference.table import all_or_none

        raise all_or_none(scores.issues, scores.refused, scores.rows)
