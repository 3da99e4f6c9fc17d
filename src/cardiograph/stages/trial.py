"""One model on one split, learnt and scored as a run does it, without a folder: what studies repeat many times."""

from __future__ import annotations

import dataclasses

from cardiograph.config import RunConfig
from cardiograph.containers import TEST
from cardiograph.inference import Predictor
from cardiograph.stages.bundling import make_bundle
from cardiograph.stages.fitting import Prepared, fit_network, prepare
from cardiograph.stages.protocol import SOUND, Protocol
from cardiograph.stages.studied import PartScores, Studied


def nameless(studied: Studied) -> Studied:
    """The same records without patient ids and pages: nothing but the split keeps records of a group apart."""
    cohort = dataclasses.replace(studied.cohort, table=studied.cohort.table.assign(patient_id=None))
    return dataclasses.replace(studied, cohort=cohort, survey=None, encoder=None)


def fit_and_score(
    studied: Studied, config: RunConfig, protocol: Protocol = SOUND, *, name: str = "", part: str = TEST
) -> tuple[PartScores, Prepared]:
    """Learn one network and score the labelled records of a part.

    Args:
        studied: Embeddings, values, labels and split.
        config: Settings; its seed is that of training.
        protocol: The steps; the sound ones by default.
        name: Of the network; the configured one if empty.
        part: Which records are scored.

    Returns:
        Scores of ``studied.rows(part)``, and the features and graph behind them.
    """
    name = name or config.model.name
    unnamed = nameless(studied)
    prepared = prepare(studied.material, config, fuse=protocol.fuse, link=protocol.link, join=protocol.join)
    network, _ = fit_network(name, prepared, config)
    predictor = Predictor(make_bundle(name, network, unnamed, prepared, config))
    return protocol.score(predictor, unnamed, prepared, studied.rows(part)), prepared
