"""``cardiograph pretrain``: pretrain an encoder on drawn hearts and on recordings without diagnoses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cardiograph.cli.options import AsJson
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.pretrain.records import Records
    from cardiograph.pretrain.training import PageRecipe, Recipe
    from cardiograph.progress import Progress


def pretrain(  # noqa: PLR0913 - a command has its options
    out: Annotated[
        Path,
        typer.Argument(
            help="Folder for ecg.safetensors and ecg-readings.safetensors, or resnet18-ecg.safetensors, and for card.md, "
            "curves.json and the checkpoint. Resumes an unfinished pretraining."
        ),
    ],
    *,
    encoder: Annotated[
        Literal["ecg", "resnet18-ecg"],
        typer.Option(
            help="ecg reads leads. resnet18-ecg reads the picture of a page and learns what the shipped ecg reads in its "
            "leads."
        ),
    ] = "ecg",
    hearts: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of drawn hearts; by default 48,000 for ecg, which took about 35 minutes on two shared cores, and "
            "40,000 for resnet18-ecg.",
        ),
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(
            help="Folder of WFDB recordings, without labels. Age and sex are used if records.csv in the folder (columns "
            "record, age, sex) or the headers have them. Do not give recordings on which you will test."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the hearts, the views and the first weights.")] = 0,
    batch: Annotated[
        int | None,
        typer.Option(min=2, help="Drawn hearts in each training step; by default 64 for ecg and 32 for resnet18-ecg."),
    ] = None,
    copies: Annotated[
        int, typer.Option(min=0, help="Copies of each recording, turned and stretched; each is measured once.")
    ] = 8,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the training; by default one per core.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pretrain an encoder of ECGs, without any diagnosis of a patient.

    The network sees simulated hearts with known findings in random layouts (recordings, printed pages, missing leads)
    and learns their parameters, their measurements and the statements that hold for them. Real recordings are added
    with --records: the network learns what the measurements of each are, and to recognise it in two layouts.

    With --encoder resnet18-ecg a network of pictures sees pages drawn from the same hearts and recordings. Use its
    weights with cardiograph run --encoder resnet18-ecg --weights OUT/resnet18-ecg.safetensors.
    """
    from cardiograph.cli import console
    from cardiograph.threads import available_threads, set_threads

    if out.exists() and not out.is_dir():
        message = f"{out}: is a file; give a new folder, or the folder of an unfinished pretraining"
        raise ConfigError(message)
    set_threads(threads or available_threads())
    recipe = _recipe(encoder, hearts=hearts, seed=seed, batch=batch, copies=copies)
    with console.bars() as progress:
        real = _read(records, recipe, progress) if records else None
        path, digest = _train(recipe, out, real, progress, data=records.resolve().name if records else "")
    if as_json:
        console.show_json({"weights": str(path), "sha256": digest, "card": str(out / "card.md")})
    else:
        typer.echo(f"weights: {path}\ncard:    {out / 'card.md'}")


def _recipe(encoder: str, **given: int | None) -> Recipe | PageRecipe:
    """Return the recipe of an encoder; options that are None keep its defaults."""
    from cardiograph.pretrain.training import PageRecipe, Recipe

    settings = {name: value for name, value in given.items() if value is not None}
    return PageRecipe(**settings) if encoder == "resnet18-ecg" else Recipe(**settings)  # type: ignore[arg-type]


def _train(
    recipe: Recipe | PageRecipe, out: Path, records: Records | None, progress: Progress, *, data: str
) -> tuple[Path, str]:
    """Train, write the files of the folder, and return the path and SHA-256 of the weights."""
    from cardiograph.artifacts.files import write_bytes
    from cardiograph.imaging.prepare import PREPROCESS_VERSION
    from cardiograph.pretrain import distillation, readings, training
    from cardiograph.pretrain.card import card
    from cardiograph.pretrain.weights_file import FILE, write_weights

    progress.start("pretraining", recipe.steps, unit="steps")
    if isinstance(recipe, training.PageRecipe):
        path, page = out / distillation.PAGE_WEIGHTS, f"input={PREPROCESS_VERSION}"
        trained = distillation.distil(recipe, out, records, each=progress.advance)
        digest = write_weights(trained, recipe, records, path, data=data, preparation=page)
    else:
        path = out / FILE
        trained = training.pretrain(recipe, out, records, each=progress.advance)
        digest = write_weights(trained, recipe, records, path, data=data)
        readings.write_readings(trained, out / readings.READINGS)
    write_bytes(out / "card.md", card(trained, recipe, records, digest, data=data).encode())
    return path, digest


def _read(folder: Path, recipe: Recipe | PageRecipe, progress: Progress) -> Records:
    from cardiograph.pretrain.records import read_records
    from cardiograph.pretrain.turned import with_turned_copies

    progress.start("reading recordings", len(list(folder.rglob("*.hea"))), unit="recordings")
    records = read_records(folder, each=progress.advance)
    progress.start("turning and measuring copies", len(records.signal), unit="recordings")
    return with_turned_copies(records, recipe.copies, seed=recipe.seed, each=progress.advance)
