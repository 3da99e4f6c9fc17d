"""One model on one split, learnt and scored as a run does it, without a folder: what studies repeat many times."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TEST, VAL, Neighbourhood
from cardiograph.inference import Predictor, Scores
from cardiograph.models.baselines import fit_boosting
from cardiograph.train.calibrate import calibrated, learn_uncertainty
from cardiograph.train.data import PartScores, Studied
from cardiograph.train.fit import Prepared, fit_network, make_bundle, prepare
from cardiograph.train.steps import SOUND, Protocol


def nameless(studied: Studied) -> Studied:
    """The same records without patient ids and pages: nothing but the split keeps records of a group apart."""
    cohort = dataclasses.replace(studied.cohort, table=studied.cohort.table.assign(patient_id=None))
    return dataclasses.replace(studied, cohort=cohort, survey=None, encoder=None)


@dataclass(frozen=True)
class Trial:
    """What one model made of one split.

    Args:
        validation: Scores of the labelled validation records.
        test: Of the labelled test records.
        prepared: Features and graph behind them.
    """

    validation: PartScores
    test: PartScores
    prepared: Prepared


def fit_and_score(
    studied: Studied,
    config: RunConfig,
    protocol: Protocol = SOUND,
    *,
    name: str = "",
    targets: NDArray[np.int64] | None = None,
) -> Trial:
    """Learn one network and score the labelled validation and test records.

    Args:
        studied: Embeddings, values, labels and split.
        config: Settings; its seed is that of training.
        protocol: The steps; the sound ones by default.
        name: Of the model, ``boosting`` included, which no bundle can hold; the configured one if empty.
        targets: [records] classes 0..classes-1 to be learnt instead of the labels, -1 where there is none.
    """
    name = name or config.model.name
    unnamed, material = nameless(studied), studied.material
    if targets is not None:
        material = dataclasses.replace(material, labels=targets)
    prepared = prepare(material, config, fuse=protocol.fuse, link=protocol.link, join=protocol.join)
    if name == "boosting":
        return _boosted(studied, prepared, config)
    classes = 2 if targets is None else int(targets.max()) + 1
    predictor = fit_predictor(name, unnamed, prepared, config, protocol, classes=classes)
    validation, test = (protocol.score(predictor, unnamed, prepared, studied.rows(part)) for part in (VAL, TEST))
    return Trial(validation, test, prepared)


def fit_predictor(
    name: str,
    studied: Studied,
    prepared: Prepared,
    config: RunConfig,
    protocol: Protocol = SOUND,
    *,
    classes: int = 2,
) -> Predictor:
    """Learn a network, bundle it, and calibrate it where there are two classes and validation records to do so."""
    network, _ = fit_network(name, prepared, config, classes=classes)
    bundle = make_bundle(name, network, studied, prepared, config)
    if classes == 2 and len(studied.rows(VAL)):
        bundle = calibrated(bundle, studied, prepared, config, protocol)
    return Predictor(bundle)


def _boosted(studied: Studied, prepared: Prepared, config: RunConfig) -> Trial:
    """Boosted trees on the same node features, calibrated like the rest."""
    train_set, features, labels = prepared.train_set, prepared.features.values, studied.material.labels
    used = (train_set.weights > 0).numpy()
    val = studied.rows(VAL)
    trees = fit_boosting(
        train_set.features.numpy()[used], train_set.labels.numpy()[used], features[val], labels[val], seed=config.seed
    )
    raw = {part: _logit(trees.probabilities(features[studied.rows(part)])) for part in (VAL, TEST)}
    uncertainty = learn_uncertainty(
        raw[VAL], labels[val], studied.split.groups.index[val], config.evaluation, seed=config.seed
    )
    parts = {}
    for part, scores in raw.items():
        count = len(scores)
        told = uncertainty.tell(scores, np.full(count, 0.5), np.full(count, np.nan))
        by_class = np.stack([1 - told.probabilities, told.probabilities], axis=1)
        nobody = Neighbourhood(np.full((count, 1), -1, np.int64), np.full((count, 1), np.inf, np.float32))
        found = Scores(by_class, scores, nobody, ((),) * count, told, ((),) * count)
        parts[part] = PartScores(by_class, nobody, prepared.graph.rows, found)
    return Trial(parts[VAL], parts[TEST], prepared)


def _logit(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(probabilities, 1e-6, 1 - 1e-6)
    logits: NDArray[np.float64] = np.log(clipped / (1 - clipped))
    return logits
