"""One model on one split, learnt and scored as a run does it, without a folder: what studies repeat many times."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TEST, VAL
from cardiograph.inference import Predictor
from cardiograph.stages.bundling import make_bundle
from cardiograph.stages.fitting import Prepared, fit_network, prepare
from cardiograph.stages.protocol import SOUND, Protocol
from cardiograph.stages.studied import PartScores, Studied


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
        name: Of the network; the configured one if empty.
        targets: [records] classes 0..classes-1 to be learnt instead of the labels, -1 where there is none.
    """
    name = name or config.model.name
    unnamed, material = nameless(studied), studied.material
    if targets is not None:
        material = dataclasses.replace(material, labels=targets)
    prepared = prepare(material, config, fuse=protocol.fuse, link=protocol.link, join=protocol.join)
    classes = 2 if targets is None else int(targets.max()) + 1
    network, _ = fit_network(name, prepared, config, classes=classes)
    predictor = Predictor(make_bundle(name, network, unnamed, prepared, config))
    validation, test = (protocol.score(predictor, unnamed, prepared, studied.rows(part)) for part in (VAL, TEST))
    return Trial(validation, test, prepared)
