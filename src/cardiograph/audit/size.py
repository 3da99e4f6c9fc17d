"""Check of the cohort size: the precision to expect from this number of records."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.audit_input import AuditInput
from cardiograph.audit.findings import Finding
from cardiograph.config import SplitConfig
from cardiograph.containers import TEST

ASSUMED_AUROC = 0.8
"""AUROC for which the expected interval is computed."""

WANTED_HALF_WIDTH = 0.05
"""Half width of a sufficiently precise 95 % interval of an AUROC."""

MIN_EVENTS_PER_COLUMN = 10
"""Events per clinical column below which a model is likely to fit noise. This is a rule of thumb; for exact criteria
see Riley et al., Calculating the sample size required for developing a clinical prediction model, BMJ 2020,
doi:10.1136/bmj.m441."""

_Z = 1.959963984540054


def hanley_mcneil(auroc: float, positives: float, negatives: float) -> float:
    """Return the standard error of an AUROC.

    Args:
        auroc: Assumed AUROC, 0..1.
        positives: Number of independent positive cases, above 0.
        negatives: Number of independent negative cases, above 0.

    Source: Hanley and McNeil, The Meaning and Use of the Area under a ROC Curve, Radiology 143, 1982,
        doi:10.1148/radiology.143.1.7063747.
    """
    q1, q2 = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    spread = auroc * (1 - auroc) + (positives - 1) * (q1 - auroc**2) + (negatives - 1) * (q2 - auroc**2)
    return math.sqrt(spread / (positives * negatives))


def needed_test_groups(
    prevalence: float, *, auroc: float = ASSUMED_AUROC, half_width: float = WANTED_HALF_WIDTH
) -> int:
    """Return the number of independent test cases needed for a 95 % interval of the AUROC of +- ``half_width``.

    Args:
        prevalence: Share of positive cases, above 0 and below 1.
        auroc: Assumed AUROC, 0..1.
        half_width: Wanted half width of the interval.
    """
    low, high = 2, 4

    def enough(n: int) -> bool:
        positives = prevalence * n
        return min(positives, n - positives) >= 1 and _Z * hanley_mcneil(auroc, positives, n - positives) <= half_width

    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def size_facts(audited: AuditInput) -> dict[str, Any]:
    """Return the numbers of records, groups and events, overall and in the test part, and the precision to expect.

    Of several classes the rarest one counts as positive and all others as negative; ``rarest`` names it.
    """
    (labels, rarest), index = _rarest_against_rest(audited), audited.groups.index
    groups = {label: len(np.unique(index[labels == label])) for label in (0, 1)}
    columns = 0 if audited.clinical is None else len(audited.clinical.variables)
    facts: dict[str, Any] = {
        "records": len(audited.cohort),
        "labelled": int((labels >= 0).sum()),
        "positive": int((labels == 1).sum()),
        "negative": int((labels == 0).sum()),
        "groups": len(audited.groups),
        "positive_groups": groups[1],
        "negative_groups": groups[0],
        "clinical_columns": columns,
        "image_features": 0 if audited.pages is None else audited.embedding_width,
        "events": min(groups.values()),
        "events_per_clinical_column": min(groups.values()) / columns if columns else None,
        "events_per_input": None,
        "test_positive_groups": None,
        "test_negative_groups": None,
        "expected_half_width": None,
        "needed_test_groups": None,
        "assumed_auroc": ASSUMED_AUROC,
    }
    facts |= {"rarest": rarest} if rarest else {}
    inputs = columns + facts["image_features"]
    facts["events_per_input"] = facts["events"] / inputs if inputs else None
    if min(groups.values()) == 0:
        return facts
    test = _test_groups(audited, groups)
    facts["test_positive_groups"], facts["test_negative_groups"] = test[1], test[0]
    facts["needed_test_groups"] = needed_test_groups(groups[1] / sum(groups.values()))
    if min(test) > 0:
        facts["expected_half_width"] = _Z * hanley_mcneil(ASSUMED_AUROC, test[1], test[0])
    return facts


def check_cohort_size(audited: AuditInput) -> Iterator[Finding]:
    """Yield findings about the number of records."""
    if len(audited.probed) < len(audited.labelled):
        yield Finding(
            "probes_sampled",
            "note",
            f"The AUROCs of this audit are from a random sample of {len(audited.probed):,} of the "
            f"{len(audited.labelled):,} labelled records: whole patients, with as many of each label as possible.",
            "no action is needed: an AUROC does not depend on the share of each label, and all other checks read all "
            "records",
        )
    facts = size_facts(audited)
    events, columns = facts["events"], facts["clinical_columns"]
    per_column = facts["events_per_clinical_column"]
    if events == 0:
        yield Finding(
            "one_class",
            "warn",
            f"{'A class' if 'rarest' in facts else 'One of the two labels'} is absent, so no model can be fitted or scored.",
            "add records of the other class",
        )
        return
    if per_column is not None and per_column < MIN_EVENTS_PER_COLUMN:
        yield Finding(
            "few_events",
            "warn",
            f"There are {events} independent cases of the {_rarer(facts)} for {columns} clinical columns: {per_column:.1f} "
            f"per column, fewer than {MIN_EVENTS_PER_COLUMN}.",
            "use fewer columns or add cases; expect lower scores on other patients",
        )
    half = facts["expected_half_width"]
    if half is not None:
        n = facts["test_positive_groups"] + facts["test_negative_groups"]
        positive, against = (
            ("positive", "") if "rarest" not in facts else (facts["rarest"], " of this class against the rest")
        )
        yield Finding(
            "interval_width",
            "warn" if half > WANTED_HALF_WIDTH else "note",
            f"An AUROC of {ASSUMED_AUROC:g}{against} on {n} independent test cases "
            f"({facts['test_positive_groups']} {positive}) has a 95 % interval of about +-{half:.2f}; for "
            f"+-{WANTED_HALF_WIDTH:g} the test part needs "
            f"{facts['needed_test_groups']} cases.",
            "read scores with their intervals; a smaller difference cannot be detected",
        )


def _rarer(facts: dict[str, Any]) -> str:
    return f"rarest class ({facts['rarest']})" if "rarest" in facts else "rarer label"


def _rarest_against_rest(audited: AuditInput) -> tuple[NDArray[np.int64], str]:
    """Return [records] labels 0, 1 or -1, and the class that is 1; empty for a binary outcome."""
    labels, classes = audited.cohort.labels, audited.cohort.classes
    if not classes:
        return labels, ""
    counts = [len(np.unique(audited.groups.index[labels == label])) for label in range(len(classes))]
    rarest = int(np.argmin(counts))
    return np.where(labels < 0, labels, labels == rarest).astype(np.int64), classes[rarest]


def _test_groups(audited: AuditInput, groups: dict[int, int]) -> list[int]:
    """Return the numbers of independent negative and positive cases in the test part, audited or of default size."""
    if audited.part is None:
        return [round(SplitConfig().test * groups[label]) for label in (0, 1)]
    (labels, _), index = _rarest_against_rest(audited), audited.groups.index
    return [len(np.unique(index[(audited.part == TEST) & (labels == label)])) for label in (0, 1)]
