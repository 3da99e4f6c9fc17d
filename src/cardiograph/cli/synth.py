"""``cardiograph synth``: generate a synthetic cohort."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from cardiograph.cli.options import AsJson


def synth(
    out: Annotated[Path, typer.Argument(help="New folder for cohort.csv, pages/ and synthetic.json (the truth).")],
    patients: Annotated[int, typer.Option(help="Number of patients; about one in eight has two ECGs.")] = 600,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same files.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Generate synthetic patients with a known truth: ECG pages, clinical values, labels, and the best score."""
    from cardiograph.cli import console

    table = synthesise(out, patients, seed)
    if as_json:
        console.show_json({"cohort": str(table), "patients": patients, "seed": seed})
    else:
        typer.echo(f"cohort: {table}\nnext:   cardiograph run {shlex.quote(str(table))} --out runs/first")


def synthesise(out: Path, patients: int, seed: int) -> Path:
    """Write a synthetic cohort, with a progress bar, and return the path of its table."""
    from cardiograph.cli import console
    from cardiograph.synthesis.cohort import write_cohort
    from cardiograph.threads import available_threads

    with console.bars() as progress:
        drawn = 0

        def show(pages: int, total: int) -> None:
            nonlocal drawn
            if not drawn:
                progress.start("drawing pages", total, unit="pages")
            progress.advance(pages - drawn)
            drawn = pages

        return write_cohort(out, patients=patients, seed=seed, workers=available_threads(), progress=show)
