"""What a run leaves behind: the served model, the scores of validation and test records, and the facts of the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from cardiograph.artifacts.bundle import ModelBundle, Served
from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import RunConfig
from cardiograph.containers import TEST, TRAIN, VAL
from cardiograph.evaluation.decision import youden_threshold
from cardiograph.evaluation.predictions import ModelRoles, PartPredictions
from cardiograph.evaluation.summary import summarise
from cardiograph.imaging.encoder import probe
from cardiograph.inference import Predictor, Scores
from cardiograph.models.baselines import logistic_probabilities
from cardiograph.models.gnn import Network
from cardiograph.stages.drawn_graph import drawn_graph
from cardiograph.stages.facts import run_facts
from cardiograph.stages.fitting import reference_of
from cardiograph.stages.studied import Learnt, Studied

TITLES = {"gcn": "GCN", "gat": "GAT", "mlp": "MLP (no graph)", "logistic": "Logistic regression (no graph)"}
WITHOUT_GRAPH = ("mlp", "logistic")


def record_model(directory: RunDirectory, studied: Studied, learnt: Learnt, config: RunConfig) -> dict[str, Predictor]:
    """Write the bundle of the kept model and return a predictor for every network.

    The kept one is loaded back from the disk: test scores come from the very files that are served.
    """
    predictors = {}
    for name, (network, _) in learnt.networks.items():
        bundle = _bundle(name, network, studied, learnt, config)
        validation = Predictor(bundle).score(studied.queries(studied.rows(VAL))).probabilities
        threshold = youden_threshold(studied.cohort.labels[studied.rows(VAL)], validation)
        bundle = dataclasses.replace(bundle, served=dataclasses.replace(bundle.served, threshold=threshold))
        predictors[name] = Predictor(bundle)
        if name == config.model.name:
            engine = None if studied.encoder is None else studied.encoder.engine
            bundle.save(directory.path / "bundle", engine)
            predictors[name] = Predictor.load(directory.path / "bundle")
    return predictors


def _bundle(name: str, network: Network, studied: Studied, learnt: Learnt, config: RunConfig) -> ModelBundle:
    survey, cohort, prepared = studied.survey, studied.cohort, learnt.prepared
    reference = reference_of(
        prepared,
        network,
        studied.material,
        record_ids=cohort.record_ids,
        patient_ids=list(cohort.table["patient_id"]),
        pages=None if survey is None else ([facts.pixel_hash for facts in survey.facts], survey.perceptual_hashes),
    )
    served = Served(
        model=config.model.model_copy(update={"name": name}),
        graph=config.graph,
        pages=config.pages,
        outcome=cohort.outcome,
        provenance=_provenance_sentence(studied),
        clinical_provenance=studied.provenances,
        threshold=0.5,
        encoder=None if studied.encoder is None else studied.encoder.facts,
        probe=() if studied.encoder is None else tuple(float(value) for value in probe(studied.encoder.engine)),
    )
    return ModelBundle(served, network, prepared.fusion, prepared.scaler, reference)


def _provenance_sentence(studied: Studied) -> str:
    training = len(studied.rows(TRAIN))
    basis = f"{training} labelled training records; values {studied.provenance}"
    if studied.encoder is not None:
        basis += f"; pages embedded by ResNet18, weights {studied.encoder.facts.weights_source}"
    return basis + "; for research use"


def record_scores(
    directory: RunDirectory, studied: Studied, learnt: Learnt, predictors: Mapping[str, Predictor], config: RunConfig
) -> dict[str, Any]:
    """Score validation and test records with every model, and write tables, metrics and facts."""
    parts = {part: studied.rows(part) for part in (VAL, TEST)}
    scores = {
        name: {part: p.score(studied.queries(rows)) for part, rows in parts.items()} for name, p in predictors.items()
    }
    probabilities = {name: {part: s.probabilities for part, s in found.items()} for name, found in scores.items()}
    prepared = learnt.prepared
    logistic = logistic_probabilities(prepared.train_set, prepared.val_set, prepared.features.values)
    probabilities["logistic"] = {part: logistic[rows] for part, rows in parts.items()}
    predictions = {
        part: PartPredictions(
            studied.cohort.labels[rows],
            studied.split.groups.index[rows],
            {name: probabilities[name][part] for name in TITLES},
        )
        for part, rows in parts.items()
    }
    roles = choose_roles(predictions[VAL], config.model.name)
    metrics = summarise(
        predictions[TEST],
        predictions[VAL],
        roles,
        provenance=studied.provenance,
        settings=config.evaluation,
        seed=config.seed,
    )
    _write_tables(directory, studied, predictions, scores[config.model.name])
    directory.write_json("metrics.json", metrics)
    directory.write_arrays("graph.safetensors", drawn_graph(studied, learnt, scores[config.model.name][TEST], config))
    directory.record(run_facts(studied, learnt, roles, config))
    return metrics


def choose_roles(validation: PartPredictions, primary: str) -> ModelRoles:
    """Which model stands for the graph and which for the same features without it: by validation log loss."""
    from sklearn.metrics import log_loss

    loss = {name: log_loss(validation.labels, p, labels=[0, 1]) for name, p in validation.probabilities.items()}
    graphs = [name for name in loss if name not in WITHOUT_GRAPH]
    return ModelRoles(
        primary=primary,
        graph=primary if primary in graphs else min(graphs, key=loss.__getitem__),
        baseline=min(WITHOUT_GRAPH, key=loss.__getitem__),
        titles=TITLES,
        thresholds={name: youden_threshold(validation.labels, p) for name, p in validation.probabilities.items()},
    )


def _write_tables(
    directory: RunDirectory, studied: Studied, predictions: Mapping[str, PartPredictions], scores: Mapping[str, Scores]
) -> None:
    import pandas as pd

    cohort, split = studied.cohort, studied.split
    table = cohort.table.copy()
    table.attrs = {}
    if studied.survey is not None:
        table["pixel_hash"] = [facts.pixel_hash for facts in studied.survey.facts]
    clinical = studied.material.clinical
    if clinical is not None:
        for column, variable in enumerate(clinical.variables):
            table[variable.name] = clinical.values[:, column]
    directory.write_table("cohort.parquet", table)
    ids = cohort.record_ids
    directory.write_table(
        "split.parquet", pd.DataFrame({"record_id": ids, "group": split.groups.index, "part": split.part})
    )
    frames, heard = [], []
    reference = split.rows(TRAIN)
    for part, found in predictions.items():
        rows = studied.rows(part)
        frame = pd.DataFrame({"record_id": ids[rows], "part": part, "group": found.groups, "label": found.labels})
        frames.append(frame.assign(**{f"probability_{name}": p for name, p in found.probabilities.items()}))
        hood = scores[part].neighbours
        position, rank = np.nonzero(hood.index >= 0)
        sources = reference[hood.index[position, rank]]
        columns = {"record_id": ids[rows[position]], "rank": rank + 1, "neighbour": ids[sources]}
        heard.append(pd.DataFrame({**columns, "distance": hood.distance[position, rank]}))
    directory.write_table("predictions.parquet", pd.concat(frames, ignore_index=True))
    directory.write_table("neighbours.parquet", pd.concat(heard, ignore_index=True))
    if studied.material.image is not None:
        directory.write_arrays("embeddings.safetensors", {"image": studied.material.image})
