"""Options of ``cardiograph predict`` that describe a patient, and what is shown of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cardiograph.cli.options import Place


@dataclass(frozen=True, kw_only=True)
class PatientOptions:
    """Options that describe a single patient."""

    ecg: Annotated[Path | None, typer.Option(help="The patient's ECG: image of a page, or file of signals.")] = None
    ef: Annotated[str | None, typer.Option(metavar="NUMBER", help="Ejection fraction as a fraction, 0.05-0.90.")] = None
    bnp: Annotated[str | None, typer.Option(metavar="NUMBER", help="Brain natriuretic peptide, pg/mL.")] = None
    nyha: Annotated[str | None, typer.Option(metavar="NUMBER", help="NYHA class, 1-4.")] = None
    sbp: Annotated[str | None, typer.Option(metavar="NUMBER", help="Systolic blood pressure, mmHg.")] = None
    age: Annotated[str | None, typer.Option(metavar="NUMBER", help="Age, years.")] = None
    value: Annotated[
        list[str] | None,
        typer.Option(help="NAME=NUMBER of another variable, or NAME=WORD of a categorical one. Repeatable."),
    ] = None
    patient_id: Annotated[
        str | None,
        typer.Option(help="The patient's id in the cohort; reference records of the same patient are left out."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """The patients of a table, and where their predictions go."""

    table: Annotated[
        Path | None,
        typer.Option(help="Score many patients: a table with the columns of the cohort; labels are not needed."),
    ] = None
    out: Annotated[Path | None, typer.Option(help="CSV file for the predictions of --table; stdout by default.")] = None
    strict: Annotated[
        bool,
        typer.Option("--strict", help="With --table: write nothing and fail if any patient cannot be scored."),
    ] = False
    on: Place = "threads"


@dataclass(frozen=True, kw_only=True)
class ExplanationOptions:
    """What is shown of a patient's prediction besides its numbers."""

    explained: Annotated[
        bool, typer.Option("--explain", help="Also show the effects of values, page and similar records.")
    ] = False
    of_class: Annotated[
        str | None,
        typer.Option("--class", help="With --explain: the class to explain.", show_default="the most likely one"),
    ] = None
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--map",
            help="With --explain: file for the ECG with red marks where it raised the estimate and blue ones where it "
            "lowered it (.svg, .png or .pdf); for a model that reads leads and whose maps passed check-maps.",
        ),
    ] = None
    curve: Annotated[
        Path | None,
        typer.Option(help="SVG file for the predicted risk over time, of a run with a time-to-event outcome."),
    ] = None
