"""Heart-failure prediction from ECGs and clinical values over a patient-similarity graph.

This module exports the public API; each name is imported when it is first used::

    import cardiograph as cg

    result = cg.run("cohort.csv", "runs/first", cg.load_config(overrides={"outcome": "heart failure"}))
    answer = cg.Predictor.load("runs/first").predict("page.jpg", {"ef": 0.34, "bnp": 463})
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from cardiograph.config import RunConfig, load_config
    from cardiograph.containers import Cohort, PatientGraph, Prediction
    from cardiograph.ecg.ecg import Ecg
    from cardiograph.ecg.read_any import read_any as read_ecg
    from cardiograph.estimator import PatientGraphClassifier, PatientGraphSurvival
    from cardiograph.explain import explain
    from cardiograph.external.evaluate import evaluate_cohort as evaluate
    from cardiograph.external.extend import extend_run as extend
    from cardiograph.external.extend_labels import extend_labels
    from cardiograph.external.labels import evaluate_labels
    from cardiograph.inference import Predictor, Query
    from cardiograph.run.audit import audit_cohort as audit
    from cardiograph.run.multilabel import run_labels
    from cardiograph.run.pipeline import run
    from cardiograph.stages import (
        build_graph,
        embed,
        make_predictor,
        read_clinical,
        read_cohort,
        split_cohort,
        train,
    )
    from cardiograph.studies.compare.compare import compare

_EXPORTS = {
    "run": "cardiograph.run",
    "run_labels": "cardiograph.run.multilabel:run_labels",
    "audit": "cardiograph.audit",
    "evaluate": "cardiograph.evaluate",
    "evaluate_labels": "cardiograph.external.labels:evaluate_labels",
    "explain": "cardiograph.explain",
    "compare": "cardiograph.studies.compare.compare:compare",
    "extend": "cardiograph.external.extend:extend_run",
    "extend_labels": "cardiograph.external.extend_labels:extend_labels",
    "Predictor": "cardiograph.inference:Predictor",
    "Query": "cardiograph.inference:Query",
    "Prediction": "cardiograph.containers:Prediction",
    "Cohort": "cardiograph.containers:Cohort",
    "PatientGraph": "cardiograph.containers:PatientGraph",
    "PatientGraphClassifier": "cardiograph.estimator:PatientGraphClassifier",
    "PatientGraphSurvival": "cardiograph.estimator:PatientGraphSurvival",
    "Ecg": "cardiograph.ecg.ecg:Ecg",
    "read_ecg": "cardiograph.ecg.read_any:read_any",
    "RunConfig": "cardiograph.config:RunConfig",
    "load_config": "cardiograph.config:load_config",
    "read_cohort": "cardiograph.stages:read_cohort",
    "split_cohort": "cardiograph.stages:split_cohort",
    "read_clinical": "cardiograph.stages:read_clinical",
    "embed": "cardiograph.stages:embed",
    "build_graph": "cardiograph.stages:build_graph",
    "train": "cardiograph.train",
    "make_predictor": "cardiograph.stages:make_predictor",
}
"""Public name -> ``module:attribute``, or a package that can be called."""

__all__ = [
    "Cohort",
    "Ecg",
    "PatientGraph",
    "PatientGraphClassifier",
    "PatientGraphSurvival",
    "Prediction",
    "Predictor",
    "Query",
    "RunConfig",
    "__version__",
    "audit",
    "build_graph",
    "compare",
    "embed",
    "evaluate",
    "evaluate_labels",
    "explain",
    "extend",
    "extend_labels",
    "load_config",
    "make_predictor",
    "read_clinical",
    "read_cohort",
    "read_ecg",
    "run",
    "run_labels",
    "split_cohort",
    "train",
]  # as in _EXPORTS; a literal list, so that type checkers know the names


def __getattr__(name: str) -> Any:  # noqa: ANN401 - an export of any type
    """Import a public name when it is first used."""
    if name not in _EXPORTS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module, _, attribute = _EXPORTS[name].partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
