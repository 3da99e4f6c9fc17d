"""``cardiograph evaluate``: score a second, labelled cohort with a finished run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiograph.cli.options import AsJson, ReadingOptions, RunArgument, Setting, comma_separated, reading_overrides
from cardiograph.cli.run import command_line
from cardiograph.cli.signature import with_options
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.external.evaluate import ExternalResult

METRICS_SHOWN = (
    "auroc", "auprc", "brier", "balanced_accuracy", "sensitivity", "specificity", "calibration_slope",
    "calibration_intercept",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions(ReadingOptions):
    """Options of ``cardiograph evaluate`` and ``extend`` that say how the outcome of the second cohort is read."""

    time: Annotated[
        str | None,
        typer.Option(help="For a run with a time-to-event outcome: column with the time in this cohort."),
        Setting("outcome", "time"),
    ] = None
    event: Annotated[
        str | None,
        typer.Option(help="For a run with a time-to-event outcome: column that says how follow-up ended."),
        Setting("outcome", "event"),
    ] = None


@with_options
def evaluate(  # noqa: PLR0913 - a command has its options
    run: RunArgument,
    cohort: Annotated[
        Path, typer.Argument(help="Labelled table of other patients, or a folder with a subfolder per class.")
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for evaluation.html, evaluation.json and predictions.csv; evaluations/NAME by default."
        ),
    ] = None,
    options: EvaluationOptions,
    label: Annotated[
        str | None,
        typer.Option(help="For a run with several labels: those to evaluate, separated by commas; all by default."),
    ] = None,
    skip_unlabelled: Annotated[
        bool, typer.Option("--skip-unlabelled", help="Leave out records without a label instead of refusing them.")
    ] = False,
    other_ids: Annotated[
        bool,
        typer.Option(
            "--other-ids", help="The patient ids of this cohort belong to other people than the same ids of the run."
        ),
    ] = False,
    renew: Annotated[
        bool,
        typer.Option(
            "--renew",
            help="For an extended run: fit calibration, threshold and prediction sets again on one half of the cohort, "
            "split by group; write them into the run; and score the other half.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score a second, labelled cohort with a finished run, and measure how well it does: external validation."""
    from cardiograph.artifacts.label_folders import label_folders
    from cardiograph.cli import console
    from cardiograph.external.evaluate import REPORT, evaluate_cohort
    from cardiograph.external.labels import evaluate_labels
    from cardiograph.external.recalibrate import recalibrate_run

    if renew and other_ids:
        message = "--renew cannot be combined with --other-ids: it needs patient ids that match those of the run"
        raise ConfigError(message)
    given: dict[str, Any] = {
        "overrides": reading_overrides(options),
        "skip_unlabelled": skip_unlabelled,
        "command": command_line(),
    }
    with console.bars() as progress:
        if renew:
            result = recalibrate_run(run, cohort, out, progress=progress, **given)
        elif label is not None or label_folders(run):
            labels = None if label is None else comma_separated(label)
            result = evaluate_labels(run, cohort, out, labels=labels, other_ids=other_ids, progress=progress, **given)
        else:
            result = evaluate_cohort(run, cohort, out, other_ids=other_ids, progress=progress, **given)
    if as_json:
        console.show_json({"evaluation": str(result.path), "page": str(result.path / REPORT), **result.content})
    else:
        SHOWN[result.content.get("kind", "binary")](result)


def show_evaluation(result: ExternalResult) -> None:
    """Show cautions, scores next to the run's own, prediction sets, notes, and the path of the report."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli.console import plain
    from cardiograph.evaluate.metrics import METRICS
    from cardiograph.external.evaluate import REPORT
    from cardiograph.issue_groups import counted
    from cardiograph.report.tables import interval

    content, console = result.content, Console()
    for caution in content["cautions"]:
        console.print(f"[bold red]caution:[/] {plain(caution)}", highlight=False)
    counts, own = content["counts"], content["internal"]
    title = (
        f"{counted(counts['records'], 'record')}, {counts['positive']} positive, {counted(counts['groups'], 'group')}"
    )
    table = Table("score", title=plain(f"{title} ({content['provenance']})"))
    for heading in (content["cohort"], "own test records"):
        table.add_column(plain(heading), justify="right")
    for name in METRICS_SHOWN:
        table.add_row(METRICS[name].title, interval(content["scores"][name]), interval(own["scores"].get(name)))
    console.print(table)
    console.print(plain(content["comparison"]), highlight=False)
    for line in (*_uncertainty_lines(content), *(f"note: {note}" for note in content["notes"])):
        console.print(plain(line), highlight=False)
    console.print(f"report: {plain(str(result.path / REPORT))}", highlight=False, soft_wrap=True)


def _uncertainty_lines(content: Mapping[str, Any]) -> list[str]:
    """Describe novelty and conformal sets, in a line each."""
    from cardiograph.report.tables import interval

    novelty, sets, lines = content["novelty"], content["conformal"], []
    if novelty["judged"]:
        lines.append(f"unlike the training records: {novelty['novel']} of {novelty['judged']}")
    else:
        lines.append("unlike the training records: not assessed")
    if sets is not None:
        coverage = ", ".join(f"label {label} {interval(sets['coverage'][label])}" for label in ("0", "1"))
        lines.append(f"coverage of prediction sets (target {sets['confidence'] * 100:g} %): {coverage}")
    return lines


def show_survival_evaluation(result: ExternalResult) -> None:
    """Show cautions, scores next to the run's own, calibration at each horizon, notes, and the path of the report."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli.console import plain
    from cardiograph.external.evaluate import REPORT
    from cardiograph.issue_groups import counted
    from cardiograph.report.survival import score_title
    from cardiograph.report.tables import interval
    from cardiograph.survival.evaluation import TITLES

    content, console = result.content, Console()
    for caution in content["cautions"]:
        console.print(f"[bold red]caution:[/] {plain(caution)}", highlight=False)
    counts, own, unit = content["counts"], content["internal"], content["unit"]
    title = ", ".join(counted(counts[f"{noun}s"], noun) for noun in ("record", "event", "group"))
    table = Table("score", title=plain(f"{title} ({content['provenance']})"))
    published = content["published"]
    for heading in (content["cohort"], "own test records", *(TITLES[name] for name in published)):
        table.add_column(plain(heading), justify="right")
    for name, found in content["scores"].items():
        others = [interval(each["scores"][name]) for each in published.values()]
        table.add_row(score_title(name, unit), interval(found), interval(own["scores"].get(name)), *others)
    for day, ratio in content["observed_to_expected"].items():
        table.add_row(
            f"observed/expected by {day} {unit}", interval(ratio), interval(own["observed_to_expected"].get(day))
        )
    console.print(table)
    for sentence in (content["comparison"], *(each["verdict"] for each in published.values())):
        console.print(plain(sentence), highlight=False)
    for note in content["notes"]:
        console.print(plain(f"note: {note}"), highlight=False)
    console.print(f"report: {plain(str(result.path / REPORT))}", highlight=False, soft_wrap=True)


def show_labels_evaluation(result: ExternalResult) -> None:
    """Show cautions and scores of each label next to the run's own, and the path of the summary."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli.console import plain
    from cardiograph.external.evaluate import REPORT
    from cardiograph.report.tables import interval

    content, console = result.content, Console()
    table = Table("label", title=plain(f"AUROC on {content['cohort']}"))
    for heading in ("positive of known", content["cohort"], "own test records"):
        table.add_column(plain(heading), justify="right")
    for name, label in content["labels"].items():
        for caution in label["cautions"]:
            console.print(f"[bold red]caution:[/] {plain(f'{name}: {caution}')}", highlight=False)
        counts, own = label["counts"], label["internal"]["scores"]
        positive = f"{counts['positive']} of {counts['records']}"
        table.add_row(plain(name), positive, interval(label["scores"]["auroc"]), interval(own["auroc"]))
    table.add_row("mean", "", interval(content["macro_auroc"]), interval(content["internal_macro_auroc"]))
    console.print(table)
    for note in dict.fromkeys(note for label in content["labels"].values() for note in label["notes"]):
        console.print(plain(f"note: {note}"), highlight=False)
    console.print(f"report: {plain(str(result.path / REPORT))}", highlight=False, soft_wrap=True)


SHOWN: dict[str, Callable[[ExternalResult], None]] = {
    "binary": show_evaluation,
    "survival": show_survival_evaluation,
    "multilabel": show_labels_evaluation,
}
"""Kind of outcome -> function that shows an evaluation."""
