"""Runs with several labels on the command line: their scores, and answers with a probability for each label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from cardiograph.config import RunConfig
    from cardiograph.containers import Prediction


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


def labels_in_table(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per patient: ``probability_NAME``, ``threshold_NAME`` and ``positive_NAME`` of each label.

    The other columns of an answer are those of the first label: they describe the patient and its neighbours.
    """
    own = ["probability", "threshold", "positive", "low", "high", "decision", "conformal_set", "outcome"]
    first = next(iter(tables.values()))
    shared = first.drop(columns=[name for name in own if name in first])
    for label, table in tables.items():
        for name in own[:6]:
            if name in table:
                shared[f"{name}_{label}"] = table[name]
    shared.attrs = first.attrs
    return shared


def show_labels(answers: Mapping[str, Prediction], *, as_json: bool) -> None:
    """Show the answer of each label for a patient."""
    from cardiograph.cli import console

    if as_json:
        console.show_json({"labels": {name: answer.as_dict() for name, answer in answers.items()}})
        return
    for name, answer in answers.items():
        decided = (
            "" if answer.threshold is None else f", {'at or above' if answer.positive else 'below'} the threshold "
        )
        typer.echo(
            f"{name}: {answer.probability:.3f}{decided}{'' if answer.threshold is None else f'{answer.threshold:.3f}'}"
        )
    for warning in dict.fromkeys(warning for answer in answers.values() for warning in answer.warnings):
        typer.echo(f"note: {warning}")


def no_explanation(run: object, folders: Mapping[str, Path]) -> ConfigError:
    """Return the error for an explanation, which belongs to one label."""
    places = ", ".join(map(str, folders.values()))
    return ConfigError(
        f"--explain explains one label, and {run} predicts several; give the folder of a label: {places}"
    )
