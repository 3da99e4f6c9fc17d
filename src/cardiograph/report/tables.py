"""Tables and sentences of the report, as plain values for its templates."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.class_metrics import CLASS_METRICS, class_confusion
from cardiograph.evaluate.metrics import METRICS, Metric, confusion
from cardiograph.evaluate.results import Score
from cardiograph.evaluate.summary import ONE_EACH
from cardiograph.evaluate.verdict import MIN_USEFUL_GAIN
from cardiograph.report.content import ClinicalContent, GraphContent, ReportContent, SplitRow

TableRow = dict[str, Any]

PART_TITLES = {"train": "training", "val": "validation", "test": "test", "excluded": "excluded (unlabelled)"}
COMPARED = ("auroc", "auprc", "balanced_accuracy", "brier", "calibration_slope")
COMPARED_CLASSES = ("auroc", "auprc", "balanced_accuracy", "brier", "log_loss")


def number(value: float | None, digits: int = 3) -> str:
    """Format a value; ``undefined`` for None or NaN."""
    return "undefined" if value is None or math.isnan(value) else f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def signed(value: float) -> str:
    """Format a difference with its sign."""
    return ("" if value < 0 else "+") + number(value)


def interval(found: Score | Mapping[str, float | None] | None, digits: int = 3) -> str:
    """Format a score with its interval, such as ``0.812 (0.741 to 0.874)``."""
    if not found:
        return "undefined"
    shown = Score.model_validate(found)
    if shown.value is None:
        return "undefined"
    if shown.low is None or shown.high is None:
        return f"{number(shown.value, digits)} (no interval)"
    return f"{number(shown.value, digits)} ({number(shown.low, digits)} to {number(shown.high, digits)})"


def compared(content: ReportContent) -> tuple[str, ...]:
    """Return the metrics by which models are compared."""
    return COMPARED_CLASSES if content.classes else COMPARED


def metrics_shown(content: ReportContent) -> dict[str, Metric]:
    """Return the metrics of this kind of outcome."""
    return CLASS_METRICS if content.classes else METRICS


def metric_rows(content: ReportContent) -> list[TableRow]:
    """Return every metric of the primary model on test and validation records."""
    test, validation = content.metrics.test, content.metrics.validation
    rows: list[TableRow] = [
        {"title": metric.title, "meaning": metric.meaning, "test": test[name], "validation": validation[name],
         "best": f"{metric.best:g}", "threshold": metric.needs_threshold}
        for name, metric in metrics_shown(content).items()
    ]  # fmt: skip
    one_each: TableRow = {
        "title": f"{rows[0]['title']}, one record per patient",
        "meaning": "the first record of each patient (group) only, so that no patient counts twice",
        "test": test[ONE_EACH],
        "validation": validation[ONE_EACH],
        "best": "1",
        "threshold": False,
    }
    return [rows[0], one_each, *rows[1:]]


def model_rows(content: ReportContent) -> list[TableRow]:
    """Return the main scores of every model, the primary one first."""
    return [
        {
            "title": content.title_of(name),
            "primary": name == content.models.primary,
            "scores": [content.scores_of(name).get(metric) for metric in compared(content)],
        }
        for name in content.model_order
    ]


def class_rows(content: ReportContent) -> list[TableRow]:
    """Return precision, recall and F1 of each class at the threshold, or of the most likely class, and their means."""
    counts = decisions(content)
    with np.errstate(invalid="ignore"):
        pairs = zip(np.diag(counts) / counts.sum(axis=0), np.diag(counts) / counts.sum(axis=1), strict=True)
    rows = [
        {"name": name, "precision": float(precision), "recall": float(recall),
         "f1": _harmonic(float(precision), float(recall)), "records": int(counts[label].sum())}
        for label, (name, (precision, recall)) in enumerate(zip(content.names, pairs, strict=True))
    ]  # fmt: skip
    mean = {key: float(np.mean([row[key] for row in rows])) for key in ("precision", "recall", "f1")}
    return [*rows, {"name": "mean of the classes", **mean, "records": len(content.test)}]


def decisions(content: ReportContent) -> NDArray[np.int64]:
    """Return the number of test records by true label (rows) and the primary model's decision (columns)."""
    labels, probabilities = content.test.labels, content.test.probabilities[content.models.primary]
    return (
        class_confusion(labels, probabilities)
        if content.classes
        else confusion(labels, probabilities, content.threshold)
    )


def split_parts(content: ReportContent) -> list[TableRow]:
    """Return the split table part by part, with sums and shares of all records."""
    total = sum(row.records for row in content.split) or 1
    parts: list[TableRow] = []
    for part, title in PART_TITLES.items():
        rows = [row for row in content.split if row.part == part]
        if rows:
            records = sum(row.records for row in rows)
            parts.append({"title": title, "rows": rows, "records": records, "share": records / total})
    return parts


def label_name(content: ReportContent, row: SplitRow) -> str:
    """Return the class name of the label of a row of the split table."""
    return (*content.names, "unlabelled")[row.label]


def variable_rows(clinical: ClinicalContent, classes: int) -> list[TableRow]:
    """Return median and quartiles of each variable in each of ``classes`` classes, and its number of missing values."""
    return [
        {
            "title": variable.title,
            "unit": variable.unit,
            "provenance": clinical.provenance[place],
            "missing": int(np.isnan(clinical.values[:, place]).sum()),
            "share": float(np.isnan(clinical.values[:, place]).mean()) if len(clinical.values) else 0.0,
            "classes": [_quartiles(clinical.values[clinical.labels == label, place]) for label in range(classes)],
        }
        for place, variable in enumerate(clinical.variables)
    ]


def strongest_pairs(content: ReportContent) -> list[TableRow]:
    """Return the up to six pairs of variables (outcome included) with the strongest rank correlation."""
    if content.clinical is None:
        return []
    names, matrix, _ = content.correlations(content.clinical)
    pairs: list[TableRow] = [
        {"first": names[a], "second": names[b], "value": float(matrix[a, b])}
        for a, b in itertools.combinations(range(len(names)), 2)
        if np.isfinite(matrix[a, b])
    ]
    return sorted(pairs, key=lambda pair: -abs(pair["value"]))[:6]


def graph_facts(graph: GraphContent) -> list[tuple[str, str]]:
    """Return title and text of each fact about the whole graph."""
    degree = graph.in_degree
    facts = [
        ("Reference records", f"{graph.records}"),
        ("Neighbours per record", f"{graph.k}, by {graph.metric} distance, from other groups only"),
    ]
    if math.isfinite(graph.agreement):
        facts.append(
            (
                "Neighbours with the record's own label",
                f"{graph.agreement * 100:.1f} % (for random neighbours: {graph.agreement_by_chance * 100:.1f} %)",
            )
        )
    if len(degree):
        facts += [
            (
                "How often a record is a neighbour",
                f"of {np.median(degree):g} reference records in the median, of {degree.max()} at most",
            ),
            (
                "Records that are never a neighbour",
                f"{int((degree == 0).sum())} ({(degree == 0).mean() * 100:.1f} %)",
            ),
        ]
    return facts


def rests_on(content: ReportContent) -> list[tuple[str, str]]:
    """Return, for each kind of number in the report, the records and method that it is based on."""
    counts, bootstrap = content.metrics.counts, content.metrics.bootstrap
    test, validation = (
        f"{found.records} {part} records in {found.groups} groups"
        for part, found in (("test", counts.test), ("validation", counts.validation))
        if found is not None
    )
    train = sum(row.records for row in content.split if row.part == "train")
    several = bool(content.classes)
    strata = "each class" if several else "groups with and without a positive record"
    rows = [
        ("Scores", f"{test}. Scores count each record once; nothing was chosen on these records."),
        (
            "Intervals",
            f"{bootstrap.resamples} resamples of whole groups, drawn separately among {strata}; the "
            f"central {bootstrap.confidence * 100:g} %. They apply to other patients from the same "
            "population, not to another hospital, and they do not cover repeated training.",
        ),
        (
            "Graph verdict",
            f"Difference in {content.test.discrimination} from each model without a graph, on the same resamples for all. "
            f"Helped: every interval lies above 0. Did not help: an interval excludes a gain of more than "
            f"{MIN_USEFUL_GAIN:g}. Undecided: neither. The model named first has the lowest log loss on validation records.",
        ),
        ("Epoch", f"Chosen on {validation}: lowest loss."),
        ("Threshold", "None: the most likely class is named, without a decision about costs.")
        if several
        else ("Threshold", f"{content.threshold:.4f}, chosen on {validation}: {content.threshold_chosen}."),
        ("Scaling, imputation, block weights, graph, network", f"{train} training records."),
    ]
    inflation = content.metrics.inflation
    if inflation is not None and inflation.difference is not None:
        rows.append(
            (
                "Inflation meter",
                f"{inflation.seeds} pairs of splits of all records, one of rows and one of groups, in the same shares; "
                "the kept model was retrained on each, without augmented copies. The interval accounts for overlapping "
                "splits (Nadeau and Bengio 2003).",
            )
        )
    if content.clinical is not None and content.clinical.variables:
        kinds = Counter(content.clinical.provenance)
        rows.append(
            ("Clinical values", "; ".join(f"{count} of {kinds.total()}: {kind}" for kind, count in kinds.items()) + ".")
        )
        rows.append(
            ("Distributions and correlations", "Records of all parts; descriptive only, no model uses these numbers.")
        )
    if len(content.fusion_shares) > 1:
        shares = ", ".join(f"{block} {share * 100:.0f} %" for block, share in content.fusion_shares.items())
        rows.append(("Feature blocks", f"Share of the features' total variance: {shares}."))
    if content.encoder is not None:
        rows.append(("Page features", f"Encoder weights {content.encoder.weights}, not trained on these pages."))
    return rows


def tiles(content: ReportContent) -> list[TableRow]:
    """Return the four numbers below the headline, each with the value of an uninformative model."""
    test = content.metrics.test
    if content.classes:
        return _class_tiles(content)
    prevalence = content.test.positives / max(1, len(content.test))
    baselines = {
        "auprc": f"chance: {prevalence:.2f}",
        "balanced_accuracy": "chance: 0.50",
        "brier": f"constant prediction of {prevalence:.2f}: {prevalence * (1 - prevalence):.3f}",
        "calibration_slope": "best: 1",
    }
    return [{"title": METRICS[name].title, "score": test[name], "baseline": text} for name, text in baselines.items()]


def _class_tiles(content: ReportContent) -> list[TableRow]:
    """Return the four numbers of several classes, each with the value of an uninformative model."""
    shares = np.array(list(content.test.class_counts.values())) / max(1, len(content.test))
    entropy = -float((shares[shares > 0] * np.log(shares[shares > 0])).sum())
    chance = f"chance: {1 / len(shares):.2f}"
    baselines = {
        "balanced_accuracy": chance,
        "auprc": chance,
        "brier": f"constant prediction of the shares: {1 - float((shares**2).sum()):.3f}",
        "log_loss": f"constant prediction of the shares: {entropy:.3f}",
    }
    scores = content.metrics.test
    return [
        {"title": CLASS_METRICS[name].title, "score": scores[name], "baseline": text}
        for name, text in baselines.items()
    ]


def issue_counts(content: ReportContent) -> list[tuple[str, int]]:
    """Return the number of issues by code, the most frequent first."""
    return Counter(issue.code for issue in content.issues).most_common()


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b > 0 else (math.nan if math.isnan(a + b) else 0.0)


def _quartiles(values: NDArray[np.float64]) -> str:
    present = values[np.isfinite(values)]
    if not len(present):
        return "-"
    low, middle, high = np.quantile(present, [0.25, 0.5, 0.75])
    digits = int(np.clip(2 - np.floor(np.log10(max(abs(high), 1e-6))), 0, 4))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
