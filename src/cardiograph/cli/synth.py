"""``cardiograph synth``: generate a synthetic cohort."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from cardiograph.cli.options import AsJson

EcgFiles = Literal["pages", "signals", "none"]
"""As in :data:`cardiograph.synthesis.cohort.EcgFiles`, whose import would take a third of a second."""


def synth(
    out: Annotated[Path, typer.Argument(help="New folder for cohort.csv, the ECGs and synthetic.json (the truth).")],
    patients: Annotated[int, typer.Option(help="Number of patients; about one in eight has two ECGs.")] = 600,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same files.")] = 0,
    files: Annotated[
        EcgFiles,
        typer.Option(
            help="ECGs as pictures of pages, as signals (WFDB) of the same hearts, or none (clinical values)."
        ),
    ] = "pages",
    as_json: AsJson = False,
) -> None:
    """Generate synthetic patients with a known truth: ECGs, clinical values, labels, and the best score."""
    from cardiograph.cli import console

    table = synthesise(out, patients, seed, files)
    if as_json:
        console.show_json({"cohort": str(table), "patients": patients, "seed": seed})
    else:
        typer.echo(f"cohort: {table}\nnext:   cardiograph run {shlex.quote(str(table))} --out runs/first")


def synthesise(out: Path, patients: int, seed: int, files: EcgFiles) -> Path:
    """Write a synthetic cohort, with a progress bar, and return the path of its table."""
    from cardiograph.cli import console
    from cardiograph.synthesis.cohort import write_cohort
    from cardiograph.threads import available_threads

    with console.bars() as progress:
        drawn = 0

        def show(finished: int, total: int) -> None:
            nonlocal drawn
            if not drawn:
                title = {"pages": "drawing pages", "signals": "simulating ECGs", "none": "drawing patients"}[files]
                progress.start(title, total, unit="patients" if files == "none" else "ECGs")
            progress.advance(finished - drawn)
            drawn = finished

        workers = available_threads()
        return write_cohort(out, patients=patients, seed=seed, files=files, workers=workers, progress=show)
