"""``cardiograph extend``: add reference records to a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiograph.cli.evaluate import EvaluationOptions
from cardiograph.cli.options import AsJson, reading_overrides
from cardiograph.cli.run import command_line
from cardiograph.cli.signature import with_options

if TYPE_CHECKING:
    from cardiograph.external.extend import ExtensionResult


@with_options
def extend(  # noqa: PLR0913 - a command has its options
    run: Annotated[Path, typer.Argument(help="Folder of a finished run; it is not changed.")],
    cohort: Annotated[
        Path,
        typer.Argument(
            help="Table of the records to add, or a folder with a subfolder per class; labels may be empty."
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the new run. Resumes an unfinished one, and shows one that the same command finished."
        ),
    ],
    options: EvaluationOptions,
    ids_of: Annotated[
        str | None,
        typer.Option(
            help="NAME of the place that issued these patient ids, if the run uses the same ids for other people: "
            "p1 becomes NAME:p1."
        ),
    ] = None,
    skip_known: Annotated[
        bool,
        typer.Option(
            "--skip-known",
            help="Leave out, and count, records that the reference has already or whose patient or page is among the "
            "run's validation or test records, instead of refusing them.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add reference records to a finished run, as a new run: the same model with more records to compare with.

    Nothing is trained. The neighbours of the old reference records do not change, so the cost depends on the number of
    new records only, and a patient's score changes only if a new record is among the patient's nearest. Calibration,
    threshold and metrics are void in the new run: `cardiograph predict` returns an uncalibrated probability and no
    class until `cardiograph evaluate RUN2 COHORT3 --renew` fits them again on labelled patients that neither run has
    seen. Risks over time are not calibrated afterwards, so a run of a time-to-event outcome keeps them and loses its
    metrics only.
    """
    from cardiograph.artifacts.label_folders import label_folders
    from cardiograph.cli import console
    from cardiograph.external.extend import ExtensionResult, extend_run
    from cardiograph.external.extend_labels import extend_labels

    with console.bars() as progress:
        result = (extend_labels if label_folders(run) else extend_run)(
            run,
            cohort,
            out,
            overrides=reading_overrides(options),
            ids_of=ids_of,
            skip_known=skip_known,
            progress=progress,
            command=command_line(),
        )
    if as_json:
        console.show_json({"run": str(result.path), **result.facts})
    elif result.facts["kind"] == "multilabel":
        for name, facts in result.facts["labels"].items():
            show_extension(ExtensionResult(result.path / name, facts))
    else:
        show_extension(result)


def show_extension(result: ExtensionResult) -> None:
    """Show how many records were added and left out, and which parts of the run are void."""
    from rich.console import Console

    from cardiograph.cli.console import plain

    facts, console = result.facts, Console()
    labels, size = facts["labels"], facts["reference"]
    timed = facts["kind"] == "survival"
    words = ("with the event", "without", "without follow-up") if timed else ("of label 1", "of label 0", "unlabelled")
    counts = ", ".join(f"{labels[name]} {word}" for name, word in zip(("1", "0", "none"), words, strict=True))
    lines = [
        f"added {facts['added']} of {facts['read']} records: {counts}; {facts['joined']} of them joined groups of the "
        "reference",
        f"reference: {size['before']} records before, {size['after']} now",
    ]
    reasons = {
        "page": "their page cannot be used",
        "in_reference": "the reference has them already",
        "held_out": "their group is among the run's validation or test records",
    }
    lines += [f"left out: {count}, {reasons[reason]}" for reason, count in facts["left_out"].items() if count]
    lines += [f"note: {note}" for note in facts["notes"]]
    for line in lines:
        console.print(plain(line), highlight=False, soft_wrap=True)
    if timed:
        console.print(
            "[bold red]void:[/] metrics, which described the smaller reference: `cardiograph evaluate "
            f"{plain(str(result.path))} COHORT` scores the new run",
            highlight=False,
            soft_wrap=True,
        )
    elif facts["renewed"] is None:
        console.print(
            "[bold red]void:[/] calibration, threshold and metrics, until `cardiograph evaluate "
            f"{plain(str(result.path))} COHORT --renew` fits them again",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"run: {plain(str(result.path))}", highlight=False, soft_wrap=True)
