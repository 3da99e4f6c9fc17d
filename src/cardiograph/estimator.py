"""The scikit-learn face: fit on a table of patients, predict probabilities; behind it stand a run and its predictor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from cardiograph.config import load_config
from cardiograph.inference import Predictor, Query
from cardiograph.pipeline import run

if TYPE_CHECKING:
    import pandas as pd


class PatientGraphClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Patient-similarity graph over ECG pages and clinical values.

    ``fit`` makes a whole run in ``folder``: it splits off validation and test records by group itself, so the report there
    is honest; hand it all records that may be learnt from, and keep others for ``predict_proba``.

    Args:
        folder: Run folder; made new, or finished if it is this run.
        settings: Nested as in the TOML file, such as ``{"encoder": {"weights": "random"}, "seed": 1}``.

    Attributes:
        classes_: 0 and 1.
        metrics_: The content of ``metrics.json``.
        predictor_: The predictor that also scored the report's test records.
    """

    def __init__(self, folder: str | Path = "runs/estimator", settings: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.settings = settings

    def fit(self, X: pd.DataFrame, y: Sequence[int] | NDArray[np.int64]) -> Self:  # noqa: N803 - scikit-learn's name
        """Make a run.

        Args:
            X: A row per ECG, columns as in a cohort table (``patient_id``, ``ecg`` as absolute path, ``ef``, ...).
            y: [records] 0, 1, or -1 where unlabelled.
        """
        folder = Path(self.folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        table = folder.parent / f"{folder.name}.cohort.csv"
        labels = ["" if label == -1 else str(int(label)) for label in y]
        X.assign(label=labels).to_csv(table, index=False)
        result = run(table, folder, load_config(None, self.settings))
        self.classes_ = np.array([0, 1])
        self.metrics_ = result.metrics
        self.predictor_ = Predictor.load(folder)
        return self

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:  # noqa: N803
        """[records, 2] probabilities of the negative class and of the outcome."""
        scaler = self.predictor_.bundle.scaler
        names = [] if scaler is None else [v.name for v in scaler.variables if v.name in X]
        queries = (
            Query(
                page=Path(row["ecg"]) if "ecg" in row and self.predictor_.bundle.served.encoder else None,
                clinical={name: row[name] for name in names},
                name=f"row {number}",
                patient_id=row.get("patient_id"),
            )
            for number, row in enumerate(X.to_dict("records"))
        )
        positive = np.array([prediction.probability for prediction in self.predictor_.predict_many(queries)])
        return np.column_stack([1 - positive, positive])

    def predict(self, X: pd.DataFrame) -> NDArray[np.int64]:  # noqa: N803
        """[records] 0 or 1, at the threshold chosen on validation records."""
        threshold = self.predictor_.bundle.served.threshold
        classes: NDArray[np.int64] = (self.predict_proba(X)[:, 1] >= threshold).astype(np.int64)
        return classes
