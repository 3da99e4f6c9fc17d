"""What a run leaves behind: the served model, the scores of validation and test records, and the facts of the run."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle, Served
from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import RunConfig
from cardiograph.containers import TEST, TRAIN, VAL, Cohort, Split
from cardiograph.evaluation.decision import youden_threshold
from cardiograph.evaluation.predictions import ModelRoles, PartPredictions
from cardiograph.evaluation.summary import headline_provenance, summarise
from cardiograph.imaging.encoder import probe
from cardiograph.inference import Predictor, Queries, Scores
from cardiograph.models.baselines import logistic_probabilities
from cardiograph.models.gnn import Network
from cardiograph.models.training import History
from cardiograph.schema import Provenance
from cardiograph.stages.encoding import Encoder
from cardiograph.stages.fitting import Material, Prepared, reference_of
from cardiograph.stages.ingest import Survey

TITLES = {"gcn": "GCN", "gat": "GAT", "mlp": "MLP (no graph)", "logistic": "Logistic regression (no graph)"}
WITHOUT_GRAPH = ("mlp", "logistic")
PACKAGES = (
    "cardiograph",
    "torch",
    "openvino",
    "monai",
    "faiss-cpu",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pillow",
)


@dataclass(frozen=True)
class Studied:
    """A cohort before anything is learnt.

    Args:
        cohort: Its records.
        survey: Its pages, or None.
        split: Parts and groups.
        material: Embeddings and values.
        encoder: Of the pages, or None.
    """

    cohort: Cohort
    survey: Survey | None
    split: Split
    material: Material
    encoder: Encoder | None = None

    def rows(self, part: str) -> NDArray[np.int64]:
        """Labelled rows of a part."""
        rows = self.split.rows(part)
        return rows[self.cohort.labels[rows] >= 0]

    def queries(self, rows: NDArray[np.int64]) -> Queries:
        """Records as the predictor takes them."""
        material, patients = self.material, list(self.cohort.table["patient_id"])
        hashes = None if self.survey is None else self.survey.perceptual_hashes[rows]
        return Queries(
            image=None if material.image is None else material.image[rows],
            clinical=np.zeros((len(rows), 0)) if material.clinical is None else material.clinical.values[rows],
            patient_ids=[patients[row] for row in rows],
            pixel_hashes=[None if self.survey is None else self.survey.facts[row].pixel_hash for row in rows],
            perceptual_hashes=hashes,
        )

    @property
    def provenances(self) -> tuple[Provenance, ...]:
        """One for each clinical column."""
        return () if self.material.clinical is None else self.material.clinical.provenance

    @property
    def provenance(self) -> Provenance:
        """What the headline score rests on."""
        return headline_provenance(self.provenances, synthetic=self.cohort.synthetic)


@dataclass(frozen=True)
class Learnt:
    """What was learnt from it.

    Args:
        prepared: Scaler, fusion, features and graph.
        networks: Each network with its learning curves.
    """

    prepared: Prepared
    networks: Mapping[str, tuple[Network, History]]


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
            bundle.save(directory.path / "bundle", engine, None if engine is None else probe(engine))
            predictors[name] = Predictor.load(directory.path)
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
    logistic = _logistic(studied, learnt)
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
    directory.write_arrays("graph.safetensors", _drawn_graph(studied, learnt, scores[config.model.name][TEST], config))
    directory.record(_facts(studied, learnt, roles, config))
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


def _logistic(studied: Studied, learnt: Learnt) -> NDArray[np.float64]:
    material = studied.material
    weights = None if material.class_weights is None else material.class_weights
    train = studied.rows(TRAIN)
    each = None if weights is None else weights[studied.cohort.labels[train]]
    features = learnt.prepared.features.values
    return logistic_probabilities(features, studied.cohort.labels, train, studied.rows(VAL), weights=each)


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


DRAWN_REFERENCE, DRAWN_QUERIES = 320, 80


def _drawn_graph(studied: Studied, learnt: Learnt, test: Scores, config: RunConfig) -> dict[str, NDArray[Any]]:
    """A sample of the graph on a 2-D map, and facts about all of it."""
    from cardiograph.evaluation.layout import graph_layout

    graph, labels = learnt.prepared.graph, studied.cohort.labels
    rng = np.random.default_rng([config.seed, 4])
    reference = np.sort(rng.permutation(len(graph.rows))[:DRAWN_REFERENCE])
    rows = studied.rows(TEST)
    queries = np.sort(rng.permutation(len(rows))[:DRAWN_QUERIES])
    node = np.full(len(graph.rows), -1)
    node[reference] = np.arange(len(reference))
    index = np.vstack([graph.neighbours.index[reference], test.neighbours.index[queries]])
    position, rank = np.nonzero(index >= 0)
    source = node[index[position, rank]]
    shown = np.concatenate([graph.rows[reference], rows[queries]])
    index_all = graph.neighbours.index
    valid = index_all >= 0
    own, other = labels[graph.rows][:, None], labels[graph.rows][index_all.clip(min=0)]
    judged = valid & (own >= 0) & (other >= 0)
    share = (labels[graph.rows][labels[graph.rows] >= 0] == 1).mean()
    return {
        "xy": graph_layout(learnt.prepared.features.values[shown], config.seed),
        "edges": np.stack([source, position])[:, source >= 0],
        "labels": labels[shown],
        "query": np.repeat([0, 1], [len(reference), len(queries)]).astype(np.uint8),
        "heard_by": np.bincount(index_all[valid], minlength=len(graph.rows)),
        "agreement": np.array([(own == other)[judged].mean() if judged.any() else np.nan, share**2 + (1 - share) ** 2]),
    }


def _facts(studied: Studied, learnt: Learnt, roles: ModelRoles, config: RunConfig) -> dict[str, Any]:
    cohort, encoder = studied.cohort, studied.encoder
    clinical = studied.material.clinical
    return {
        "created": time.strftime("%Y-%m-%d %H:%M %Z"),
        "outcome": cohort.outcome,
        "provenance": studied.provenance,
        "variables": [] if clinical is None else [asdict(variable) for variable in clinical.variables],
        "clinical_provenance": list(studied.provenances),
        "split": {"source": studied.split.source, "links": studied.split.groups.links},
        "roles": asdict(roles),
        "curves": {name: asdict(history) for name, (_, history) in learnt.networks.items()},
        "fusion": learnt.prepared.fusion.facts(),
        "encoder": None
        if encoder is None
        else asdict(encoder.facts) | {"why": encoder.why, "fingerprint": encoder.facts.fingerprint},
        "skipped": [] if studied.survey is None else [asdict(issue) for issue in studied.survey.skipped],
        "notes": list(cohort.table.attrs.get("notes", [])),
        "conversions": list(cohort.table.attrs.get("conversions", [])),
        "copies": 0 if studied.material.copies is None else len(studied.material.copies.source),
        "reference": len(learnt.prepared.graph.rows),
        "seeds": {"run": config.seed, "random weights": config.encoder.seed},
        "versions": {"python": platform.python_version(), "platform": platform.platform()}
        | {p: version(p) for p in PACKAGES},
    }
