"""Runs with several labels on the command line: their scores, and answers with a probability for each label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.config import RunConfig
    from cardiograph.containers.labels import LabelsPrediction


def run_labels_and_show(cohort: Path, out: Path, settings: RunConfig, *, command: str, as_json: bool) -> None:
    """Make a run with several labels, or resume it, and show its scores."""
    from cardiograph.cli import console
    from cardiograph.run.multilabel import run_labels

    with console.bars() as progress:
        result = run_labels(cohort, out, settings, progress=progress, command=command)
    summary, report = result.summary, result.path / "report.html"
    if as_json:
        console.show_json({"run": str(result.path), "report": str(report), **summary})
        return
    model = summary["model"]
    for name, label in summary["labels"].items():
        auroc = _text(label["scores"][model]["auroc"])
        typer.echo(f"{name}: AUROC {auroc}, {label['positive']} of {label['known']} positive, shuffled labels "
              f"{label['shuffled_auroc']:.3f}")  # fmt: skip
    for name, found in summary["macro_auroc"].items():
        typer.echo(f"macro AUROC, {name}{' (no graph)' if name in summary['without_graph'] else ''}: {_text(found)}")
    typer.echo(f"macro AUROC, {model} on shuffled labels: {summary['macro_auroc_shuffled']:.3f}")
    typer.echo(f"report: {report}")


def _text(found: dict[str, Any]) -> str:
    value, low, high = found["value"], found["low"], found["high"]
    if value is None:
        return "undefined"
    return f"{value:.3f}" if low is None else f"{value:.3f} ({low:.3f} to {high:.3f})"


def show_labels(prediction: LabelsPrediction) -> None:
    """Show the answer of each label for a patient."""
    for name, answer in prediction.labels.items():
        side = "at or above" if answer.positive else "below"
        decided = "" if answer.threshold is None else f", {side} the threshold {answer.threshold:.3f}"
        typer.echo(f"{name}: {answer.probability:.3f}{decided}")
    for warning in prediction.warnings:
        typer.echo(f"note: {warning}")


def no_explanation(run: object, folders: Mapping[str, Path]) -> ConfigError:
    """Return the error for an explanation, which belongs to one label."""
    places = ", ".join(map(str, folders.values()))
    return ConfigError(
        f"--explain explains one label, and {run} predicts several; give the folder of a label: {places}"
    )
