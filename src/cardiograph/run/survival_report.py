"""Writes report, model card and checklist of a run with a time-to-event outcome from the files of the run."""

from __future__ import annotations

import numpy as np

from cardiograph.artifacts.reference_ecgs import ECGS
from cardiograph.artifacts.run import METRICS_FILE, RunDirectory
from cardiograph.errors import RunError
from cardiograph.report.figures import figure_files
from cardiograph.report.survival import draw_survival, render_survival, render_survival_card
from cardiograph.report.survival_content import SurvivalContent
from cardiograph.report.survival_tripod import render_survival_tripod
from cardiograph.survival.evaluation import SurvivalMetrics
from cardiograph.survival.outcome import SurvivalOutcome


def read_survival_metrics(directory: RunDirectory) -> SurvivalMetrics:
    """Read ``metrics.json`` of a run with a time-to-event outcome.

    Raises:
        RunError: If the file is damaged or of another version.
    """
    try:
        return SurvivalMetrics.from_dict(directory.read_json(METRICS_FILE))
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        message = f"{directory.path / METRICS_FILE}: damaged or of another version ({reason}); make the run again"
        raise RunError(message) from error


def read_content(directory: RunDirectory) -> SurvivalContent:
    """Read the content of report, model card and checklist from the run's files."""
    facts, metrics = directory.read_json("run.json"), read_survival_metrics(directory)
    table = directory.read_table("predictions.parquet")
    return SurvivalContent(
        title=f"{facts['source']} ({directory.path.resolve().name})",
        facts=facts,
        metrics=metrics,
        outcome=SurvivalOutcome(table["time"].to_numpy(np.float64), table["event"].to_numpy(np.int64)),
        risk=table[f"risk_{metrics.primary}:{metrics.horizons[-1]:g}"].to_numpy(np.float64),
        audit=directory.read_json("audit.json"),
        config_toml=directory.config().to_toml(),
        stores_ecgs=(directory.path / "bundle" / ECGS).is_file(),
    )


def write_survival_report(directory: RunDirectory) -> None:
    """Write report, model card, TRIPOD+AI checklist and figures; computes no new scores."""
    content = read_content(directory)
    pictures = draw_survival(content)
    directory.write_text("report.html", render_survival(content, pictures))
    directory.write_text("model_card.md", render_survival_card(content))
    directory.write_text("tripod_ai.md", render_survival_tripod(content))
    for name, drawing in figure_files(pictures).items():
        directory.write_bytes(f"figures/{name}", drawing)
