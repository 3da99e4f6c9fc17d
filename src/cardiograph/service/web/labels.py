"""The answer of several labels at once, prepared for the templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiograph.service.api.kinds import likely_label
from cardiograph.service.web.formats import listed
from cardiograph.service.web.language import gettext
from cardiograph.service.web.other_texts import term
from cardiograph.service.web.wording import decision_of


@dataclass(frozen=True)
class LabelRow:
    """A row of the table of labels.

    Args:
        name: Name of the label, as the model knows it.
        title: The same, as the page shows it.
        probability: Probability, 0..1.
        low: Lower end of its interval; None without one.
        high: Upper end of its interval; None without one.
        threshold: Threshold of the label; None without a valid one.
        reached: Whether the probability reaches the threshold.
        decision: Decision of the conformal set, in two or three words.
    """

    name: str
    title: str
    probability: float
    low: float | None
    high: float | None
    threshold: float | None
    reached: bool
    decision: str


def label_rows(answer: Mapping[str, Any]) -> tuple[LabelRow, ...]:
    """Return the labels of a prediction, as of ``LabelsPrediction.as_dict()``, most likely first."""
    rows = [
        LabelRow(
            name,
            term(name),
            each["probability"],
            each["low"],
            each["high"],
            each["threshold"],
            bool(each["positive"]),
            decision_of(each, None).title,
        )
        for name, each in answer["labels"].items()
    ]
    return tuple(sorted(rows, key=lambda row: -row.probability))


def labels_sentence(rows: tuple[LabelRow, ...]) -> str:
    """Return which labels reach their thresholds, in one sentence."""
    reached = [row.title for row in rows if row.reached]
    if not reached:
        return gettext("No label reaches its threshold.")
    if len(reached) == 1:
        return gettext("%(label)s reaches its threshold.", label=reached[0])
    return gettext("%(labels)s reach their thresholds.", labels=listed(reached))


def merged_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of the most likely label, with the warnings of all and the labels of each similar record."""
    labels, likely = answer["labels"], likely_label(answer)
    warnings = dict.fromkeys(warning for each in labels.values() for warning in each["warnings"])
    known = {
        name: {record["record_id"]: record["label"] for record in each["neighbours"]} for name, each in labels.items()
    }
    neighbours = [
        {**record, "class_name": _labels_of(record["record_id"], known)} for record in labels[likely]["neighbours"]
    ]
    return {**labels[likely], "warnings": list(warnings), "neighbours": neighbours, "outcome": likely}


def _labels_of(record: str, known: Mapping[str, Mapping[str, int]]) -> str | None:
    """Return the labels that a similar record has; None if none is known."""
    values = {name: labels.get(record, -1) for name, labels in known.items()}
    if all(value < 0 for value in values.values()):
        return None
    return ", ".join(term(name) for name, value in values.items() if value == 1) or gettext("none of the labels")
