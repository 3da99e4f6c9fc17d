"""``cardiograph pretrain``: pretrain the ECG encoder on drawn hearts and on recordings without diagnoses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiograph.cli.options import AsJson
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.pretrain.records import Records
    from cardiograph.pretrain.training import Recipe
    from cardiograph.progress import Progress


def pretrain(  # noqa: PLR0913 - a command has its options
    out: Annotated[
        Path,
        typer.Argument(
            help="Folder for ecg.safetensors, ecg-readings.safetensors, card.md, curves.json and the checkpoint. Resumes an "
            "unfinished pretraining."
        ),
    ],
    *,
    hearts: Annotated[
        int, typer.Option(min=1, help="Number of drawn hearts; 48,000 took about 35 minutes on two shared cores.")
    ] = 48_000,
    records: Annotated[
        Path | None,
        typer.Option(
            help="Folder of WFDB recordings, without labels. Age and sex are used if records.csv in the folder (columns "
            "record, age, sex) or the headers have them. Do not give recordings on which you will test."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the hearts, the views and the first weights.")] = 0,
    batch: Annotated[int, typer.Option(min=2, help="Drawn hearts in each training step.")] = 64,
    copies: Annotated[
        int, typer.Option(min=0, help="Copies of each recording, turned and stretched; each is measured once.")
    ] = 8,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the training; by default one per core.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pretrain the encoder that reads the leads of an ECG, without any diagnosis of a patient.

    The network sees simulated hearts with known findings in random layouts (recordings, printed pages, missing leads)
    and learns their parameters, their measurements and the statements that hold for them. Real recordings are added
    with --records: the network learns what the measurements of each are, and to recognise it in two layouts.
    """
    from cardiograph.artifacts.files import write_bytes
    from cardiograph.cli import console
    from cardiograph.pretrain.card import card
    from cardiograph.pretrain.readings import READINGS, write_readings
    from cardiograph.pretrain.training import Recipe
    from cardiograph.pretrain.training import pretrain as train
    from cardiograph.pretrain.weights_file import FILE, write_weights
    from cardiograph.threads import available_threads, set_threads

    if out.exists() and not out.is_dir():
        message = f"{out}: is a file; give a new folder, or the folder of an unfinished pretraining"
        raise ConfigError(message)
    set_threads(threads or available_threads())
    recipe = Recipe(hearts=hearts, seed=seed, batch=batch, copies=copies)
    with console.bars() as progress:
        real = _read(records, recipe, progress) if records else None
        progress.start("pretraining", recipe.steps, unit="steps")
        trained = train(recipe, out, real, each=progress.advance)
    data = records.resolve().name if records else ""
    digest = write_weights(trained, recipe, real, out / FILE, data=data)
    write_readings(trained, out / READINGS)
    write_bytes(out / "card.md", card(trained, recipe, real, digest, data=data).encode())
    if as_json:
        console.show_json({"weights": str(out / FILE), "sha256": digest, "card": str(out / "card.md")})
    else:
        typer.echo(f"weights: {out / FILE}\ncard:    {out / 'card.md'}")


def _read(folder: Path, recipe: Recipe, progress: Progress) -> Records:
    from cardiograph.pretrain.records import read_records
    from cardiograph.pretrain.turned import with_turned_copies

    progress.start("reading recordings", len(list(folder.rglob("*.hea"))), unit="recordings")
    records = read_records(folder, each=progress.advance)
    progress.start("turning and measuring copies", len(records.signal), unit="recordings")
    return with_turned_copies(records, recipe.copies, seed=recipe.seed, each=progress.advance)
