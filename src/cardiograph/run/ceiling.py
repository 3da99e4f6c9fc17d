"""Scores of the best possible model on a synthetic cohort, computed from the truth that is stored with its table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cardiograph.containers import TEST, TRAIN, VAL
from cardiograph.train.data import Dataset
from cardiograph.train.fit import FittedModels

INVERSE_PENALTIES = np.logspace(-3, 2, 11)
"""Values of ``C`` from which the logistic regression is chosen on validation records."""

_SOURCES = {
    "both": ("recorded", "all_with_gaps", "the page's and the recorded clinical values"),
    "image": ("ecg", "ecg", "the page's values alone"),
    "clinical": ("clinical", "clinical", "the clinical values alone, complete"),
}
"""Blocks that the model reads -> column of the truth, name of the population's ceiling, and description."""


def synthetic_ceiling(source: Path, dataset: Dataset, fitted: FittedModels) -> dict[str, Any] | None:
    """Return the test AUROC of the true posterior, and of a logistic regression on the true latent variables.

    Args:
        source: Table of a synthetic cohort, in a folder with ``truth.parquet`` and ``synthetic.json``.
        dataset: Dataset of the run.
        fitted: Fitted models; their fusion shows which blocks the model reads.

    Returns:
        None if the cohort is not synthetic, its truth is missing, or its clinical values were simulated again.
    """
    truth_file = source.parent / "truth.parquet"
    simulated = any(each.startswith("simulated") for each in dataset.provenances)
    if not dataset.cohort.synthetic or not truth_file.is_file() or simulated:
        return None
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss, roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from cardiograph.synthesis.density import ALL_VARIABLES, CLINICAL, ECG
    from cardiograph.synthesis.truth import latent_matrix

    blocks = set(fitted.prepared.features.blocks)
    read = "clinical" if blocks == {"clinical"} else "both" if "clinical" in blocks else "image"
    variables = {"both": ALL_VARIABLES, "image": ECG, "clinical": CLINICAL}[read]
    column, population, words = _SOURCES[read]
    truth = pd.read_parquet(truth_file).set_index("record_id").loc[list(dataset.cohort.record_ids)].reset_index()
    latents, labels = latent_matrix(truth, variables=variables), dataset.cohort.labels
    train, val, test = (dataset.rows(part) for part in (TRAIN, VAL, TEST))
    models = [
        make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=5000)).fit(latents[train], labels[train])
        for penalty in INVERSE_PENALTIES
    ]
    best = min(models, key=lambda model: log_loss(labels[val], model.predict_proba(latents[val])[:, 1]))
    ceilings = json.loads((source.parent / "synthetic.json").read_text(encoding="utf-8"))["ceilings"]
    return {
        "bayes_auroc": float(roc_auc_score(labels[test], truth[f"bayes_{column}"].to_numpy()[test])),
        "latent_auroc": float(roc_auc_score(labels[test], best.predict_proba(latents[test])[:, 1])),
        "population_auroc": ceilings[population],
        "note": f"The ceiling is the exact posterior of the label given {words}.",
    }
