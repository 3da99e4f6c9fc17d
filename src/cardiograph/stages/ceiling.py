"""What the best possible model would score on a synthetic cohort, whose truth lies beside its table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cardiograph.containers import TEST, TRAIN
from cardiograph.stages.recording import Studied

PENALTIES = np.logspace(-3, 2, 11)


def synthetic_ceiling(source: Path, studied: Studied) -> dict[str, Any] | None:
    """AUROC on the test records of the true posterior, and of logistic regression on the true latents.

    Args:
        source: Table of a synthetic cohort, with ``truth.parquet`` and ``synthetic.json`` beside it.
        studied: The cohort and its split.

    Returns:
        None where the cohort is not synthetic or its truth is not there.
    """
    truth_file = source.parent / "truth.parquet"
    if not studied.cohort.synthetic or not truth_file.exists():
        return None
    import pandas as pd
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from cardiograph.synthesis.truth import latent_matrix

    ids = list(studied.cohort.record_ids)
    truth = pd.read_parquet(truth_file).set_index("record_id").loc[ids].reset_index()
    latents, labels = latent_matrix(truth), studied.cohort.labels
    train, test = studied.rows(TRAIN), studied.rows(TEST)
    regression = LogisticRegressionCV(
        Cs=PENALTIES, cv=5, scoring="neg_log_loss", max_iter=5000, l1_ratios=(0,), use_legacy_attributes=False
    )
    model = make_pipeline(StandardScaler(), regression).fit(latents[train], labels[train])
    ceilings = json.loads((source.parent / "synthetic.json").read_text(encoding="utf-8"))["ceilings"]
    return {
        "bayes_auroc": float(roc_auc_score(labels[test], truth["bayes_all"].to_numpy()[test])),
        "latent_auroc": float(roc_auc_score(labels[test], model.predict_proba(latents[test])[:, 1])),
        "population_auroc": ceilings["all"],
        "note": "the exact posterior of the label given all true latent values, measured and hidden",
    }
