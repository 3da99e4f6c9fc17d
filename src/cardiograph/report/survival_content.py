"""Content of the report, model card and checklist of a run with a time-to-event outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiograph.schema import ClinicalVariable
from cardiograph.survival.curves import Floats
from cardiograph.survival.evaluation import SurvivalMetrics
from cardiograph.survival.outcome import SurvivalOutcome


@dataclass(frozen=True)
class SurvivalContent:
    """Content of the report, model card and checklist.

    Args:
        title: Title of the report.
        facts: Content of ``run.json``.
        metrics: Scores of the run.
        outcome: Outcome of the test records.
        risk: [test records] risk by the last horizon that the kept model predicts.
        audit: Content of ``audit.json``.
        config_toml: Configuration of the run.
        stores_ecgs: Whether the bundle stores ECGs of the reference records.
    """

    title: str
    facts: Mapping[str, Any]
    metrics: SurvivalMetrics
    outcome: SurvivalOutcome
    risk: Floats
    audit: Mapping[str, Any]
    config_toml: str
    stores_ecgs: bool = False

    @property
    def variables(self) -> tuple[ClinicalVariable, ...]:
        """Clinical variables that the model reads."""
        return tuple(ClinicalVariable(**each) for each in self.facts["variables"])

    @property
    def inputs(self) -> list[str]:
        """Clinical variables with their units, and the ECG if the model reads it."""
        named = [f"{each.title}{f' ({each.unit})' if each.unit else ''}" for each in self.variables]
        return named + ([] if self.facts["encoder"] is None else ["ECGs, encoded by a fixed encoder"])
