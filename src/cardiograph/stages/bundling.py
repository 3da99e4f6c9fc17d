"""A network and all that its answers need, joined to the bundle that is served."""

from __future__ import annotations

from cardiograph.artifacts.bundle import ModelBundle, Served
from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN
from cardiograph.models.catalogue import Model
from cardiograph.stages.fitting import Prepared, reference_of
from cardiograph.stages.studied import Studied


def make_bundle(name: str, network: Model, studied: Studied, prepared: Prepared, config: RunConfig) -> ModelBundle:
    """The bundle of a network, not calibrated yet and its threshold still at 0.5.

    Args:
        name: Of the network, such as ``gcn``.
        network: Trained.
        studied: What it was learnt from.
        prepared: Its scaler, fusion and graph.
        config: Settings of the run.
    """
    survey, cohort = studied.survey, studied.cohort
    reference = reference_of(
        prepared,
        network,
        studied.material,
        record_ids=cohort.record_ids,
        patient_ids=list(cohort.table["patient_id"]),
        pages=None if survey is None else ([each or "" for each in survey.pixel_hashes], survey.perceptual_hashes),
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
        probe=() if studied.encoder is None else studied.encoder.probe,
    )
    return ModelBundle(served, network, prepared.fusion, prepared.scaler, prepared.space, reference)


def _provenance_sentence(studied: Studied) -> str:
    training = len(studied.rows(TRAIN))
    basis = f"{training} labelled training records; values {studied.provenance}"
    if studied.encoder is not None:
        basis += f"; pages embedded by ResNet18, weights {studied.encoder.facts.weights_source}"
    return basis + "; for research use"
