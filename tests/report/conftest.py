"""Made-up runs to report on: overlapping classes, two records for some patients, four models."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from cardiograph.config import EvaluationConfig, RunConfig
from cardiograph.errors import Issue
from cardiograph.evaluate.curves import part_curves
from cardiograph.evaluate.predictions import ModelRoles, PartPredictions
from cardiograph.evaluate.subgroups import groupings_of, subgroup_scores
from cardiograph.evaluate.summary import summarise
from cardiograph.patient_map.layout import graph_layout
from cardiograph.report.content import (
    ClinicalContent,
    EncoderContent,
    GraphContent,
    LearningCurve,
    ReportContent,
    Reproduction,
    SplitRow,
)
from cardiograph.report.figures import draw_figures
from cardiograph.report.render import render_report
from cardiograph.schema import DEFAULT_VARIABLES

TITLES = {"gcn": "GCN", "gat": "GAT", "mlp": "MLP", "logistic": "logistic regression"}
STRENGTHS = {"gcn": 1.5, "gat": 1.35, "mlp": 1.7, "logistic": 1.6}


def made_part(records: int, rng: np.random.Generator) -> PartPredictions:
    groups = np.sort(rng.integers(0, max(1, int(records * 0.8)), records))
    severity = rng.normal(size=records) + 0.8 * rng.normal(size=groups.max() + 1)[groups]
    labels = (severity + rng.normal(0, 0.4, records) > 0.7).astype(np.int64)
    probabilities = {}
    for name, strength in STRENGTHS.items():
        logit = strength * (severity - 0.7) + rng.normal(0, 1.2, records)
        probabilities[name] = 1 / (1 + np.exp(-logit))
    return PartPredictions(labels, groups, probabilities)


def made_clinical(labels: np.ndarray, rng: np.random.Generator) -> ClinicalContent:
    n, sick = len(labels), labels == 1
    values = np.column_stack(
        [
            np.clip(rng.normal(np.where(sick, 0.44, 0.58), 0.1), 0.1, 0.8),
            rng.lognormal(np.where(sick, 5.3, 4.4), 0.8),
            np.clip(np.round(rng.normal(np.where(sick, 2.6, 1.8), 0.8)), 1, 4),
            rng.normal(np.where(sick, 116, 125), 16),
            np.round(np.clip(rng.normal(np.where(sick, 67, 58), 11), 20, 95)),
        ]
    )
    values[rng.random(n) < 0.12, 1] = np.nan
    part = rng.choice(np.array(["train", "val", "test"]), n, p=[0.64, 0.16, 0.2])
    return ClinicalContent(DEFAULT_VARIABLES, ("measured",) * 5, values, labels, part)


def made_graph(labels: np.ndarray, rng: np.random.Generator) -> GraphContent:
    features = rng.normal(size=(len(labels), 20)).astype(np.float32)
    features[:, :4] += 1.3 * labels[:, None]
    query = rng.random(len(labels)) < 0.2
    reference = np.flatnonzero(~query)
    distance = np.linalg.norm(features[:, None] - features[None, reference], axis=2)
    distance[reference, np.arange(len(reference))] = np.inf
    nearest = reference[np.argsort(distance, axis=1)[:, :5]]
    edges = np.stack([nearest.ravel(), np.repeat(np.arange(len(labels)), 5)])
    neighbours = np.bincount(nearest[~query].ravel(), minlength=len(labels))[reference]
    share = float((labels[nearest[~query]] == labels[~query, None]).mean())
    p = labels.mean()
    return GraphContent(
        graph_layout(features, 0),
        edges,
        labels,
        query,
        len(reference),
        5,
        "euclidean",
        share,
        p**2 + (1 - p) ** 2,
        neighbours,
    )


def made_curve(rng: np.random.Generator, best: int = 60) -> LearningCurve:
    epoch = np.arange(100)
    train = 0.69 * np.exp(-epoch / 60) + 0.2 + rng.normal(0, 0.01, 100)
    val = 0.3 * np.exp(-epoch / 25) + 0.42 + 0.00003 * (epoch - best) ** 2
    return LearningCurve(train, val, 1 - train / 2, 1 - val / 2.2, best)


def made_split(records: int) -> tuple[SplitRow, ...]:
    shares = {"train": 0.64, "val": 0.16, "test": 0.2}
    return tuple(
        SplitRow(
            part,
            name,
            label,
            int(records * share * mix),
            int(records * share * mix * 0.85),
            int(records * share * mix * 0.8),
        )
        for part, share in shares.items()
        for name, label, mix in (("normal", 0, 0.6), ("abnormal_heartbeat", 1, 0.25), ("history_of_mi", 1, 0.15))
    )


def made_png() -> bytes:
    from PIL import Image

    image = Image.fromarray(np.full((120, 400, 3), 230, dtype=np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def made_content(records: int = 690, *, resamples: int = 1000, seed: int = 0) -> ReportContent:
    rng = np.random.default_rng(seed)
    test, validation = made_part(int(records * 0.2), rng), made_part(int(records * 0.16), rng)
    models = ModelRoles("gcn", "gcn", "mlp", TITLES, dict.fromkeys(TITLES, 0.42))
    labels = (rng.random(records) < 0.4).astype(np.int64)
    metrics = summarise(
        test, validation, models, provenance="measured", settings=EvaluationConfig(bootstrap=resamples), seed=1
    )
    sex = rng.choice(np.array(["f", "m", ""]), len(test), p=[0.5, 0.45, 0.05])
    columns = {"sex": sex, "age": rng.normal(62, 12, len(test)), "bnp": rng.lognormal(4.8, 0.8, len(test))}
    subgroups = subgroup_scores(
        test.labels, test.probabilities["gcn"], test.groups, groupings_of(columns),
        threshold=0.42, resamples=resamples, confidence=0.95, seed=1,
    )  # fmt: skip
    metrics = metrics.model_copy(update={"subgroups": subgroups})
    return ReportContent(
        title="first run",
        outcome="reduced ejection fraction",
        created="2025-11-22 13:40 UTC",
        provenance="measured",
        models=models,
        metrics=metrics,
        test=test,
        test_curves=(part_curves(test, "gcn", confidence=0.95),),
        validation=validation,
        split=made_split(records),
        curves={name: made_curve(rng) for name in ("gcn", "gat", "mlp")},
        group_links={"patient": 96, "same pixels": 31, "near copy": 12},
        clinical=made_clinical(labels, rng),
        graph=made_graph(labels[: min(records, 500)], rng),
        encoder=EncoderContent(
            "imagenet", "openvino", "f32", why="bf16 moved 3 of 100 pages to other neighbours", features=512, dropped=14,
            view="the grid, found on each page", fingerprint="3f9c0d2e" * 8,
        ),
        contact_sheet=made_png(),
        fusion_shares={"image": 0.5, "clinical": 0.5},
        issues=(
            Issue("page scans/7.jpg", "ecg", "", "a whole image", "export the page again", "truncated"),
            Issue("page scans/19.jpg", "ecg", "64 x 80 px", "at least 100 x 100 px", "scan it larger", "too_small"),
        ),
        notes=("bnp: 83 gaps filled with the median of the training records, with an indicator bnp_missing.",),
        reproduction=Reproduction(
            RunConfig().to_toml(),
            {"read": 1.2, "pages": 14.8, "encode": 31.0, "train": 12.4, "evaluate": 3.3},
            {"cardiograph": "0.1.0", "python": "3.11.9", "torch": "2.8.0"},
            {"split": 42, "bootstrap": 42},
            {"cohort": "9b1c" * 16, "config": "07af" * 16},
            "cardiograph run cohort.csv --out runs/first",
        ),
    )  # fmt: skip


@pytest.fixture(scope="session")
def content() -> ReportContent:
    return made_content(320, resamples=100)


@pytest.fixture(scope="session")
def pictures(content):
    """Every figure of the run."""
    return draw_figures(content)


@pytest.fixture(scope="session")
def report(content, pictures):
    """The report of the run."""
    return render_report(content, pictures)


@pytest.fixture
def changed(content):
    """The same run with other fields."""

    def change(**fields: object) -> ReportContent:
        return replace(content, **fields)

    return change
