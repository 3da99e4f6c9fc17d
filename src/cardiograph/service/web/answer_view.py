"""A prediction of any kind, prepared for the templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiograph.service.api.kinds import LABELS, SURVIVAL, kind_of_answer
from cardiograph.service.web.drawings import Gauge, gauge
from cardiograph.service.web.labels import LabelRow, label_rows, labels_sentence, merged_answer
from cardiograph.service.web.language import gettext
from cardiograph.service.web.other_texts import term
from cardiograph.service.web.risk_plot import RiskPlot, risk_plot
from cardiograph.service.web.risk_words import RiskRow, duration, probability_sentence, risk_rows, risk_sentence
from cardiograph.service.web.wording import Decision, decision_of, risk_only


@dataclass(frozen=True)
class AnswerView:
    """What the page shows of a prediction.

    Args:
        template: Template that shows it.
        answer: The prediction as plain values; of several labels that of the most likely one, with what all say.
        decision: Decision in words.
        about: What ``answer.probability`` is about.
        marks: Meaning of the two marks of labelled similar records.
        unlabelled: Meaning of the third mark.
        sentence: The answer in one sentence; empty if there is no estimate.
        gauge: Gauge of a probability; None for the other kinds.
        risks: Risk by each horizon; empty without them.
        plot: Curve of the risk; None without one.
        labels: Rows of the table of labels; empty without them.
    """

    template: str
    answer: Mapping[str, Any]
    decision: Decision
    about: str
    marks: tuple[str, str]
    unlabelled: str
    sentence: str = ""
    gauge: Gauge | None = None
    risks: tuple[RiskRow, ...] = ()
    plot: RiskPlot | None = None
    labels: tuple[LabelRow, ...] = ()


def answer_view(answer: Mapping[str, Any], confidence: float | None) -> AnswerView:
    """Prepare a prediction.

    Args:
        answer: Prediction of any kind, as of its ``as_dict()``.
        confidence: Confidence of the conformal sets, 0..1; None without sets.
    """
    kind = kind_of_answer(answer)
    if kind is SURVIVAL:
        last = answer["risks"][-1]["time"]
        return AnswerView(
            "answer_risk.html",
            answer,
            risk_only(),
            gettext(
                "%(outcome)s within %(time)s", outcome=term(answer["outcome"]), time=duration(last, answer["unit"])
            ),
            (gettext("with the event"), gettext("without the event")),
            gettext("no follow-up"),
            risk_sentence(answer),
            risks=risk_rows(answer),
            plot=risk_plot(answer),
        )
    if kind is LABELS:
        merged, rows = merged_answer(answer), label_rows(answer)
        outcome = term(merged["outcome"])
        return AnswerView(
            "answer_labels.html",
            merged,
            decision_of(merged, confidence),
            outcome,
            (gettext("has %(label)s", label=outcome), gettext("does not have %(label)s", label=outcome)),
            gettext("no label"),
            sentence=f"{probability_sentence(merged)} {labels_sentence(rows)}".strip(),
            labels=rows,
        )
    likely = answer.get("likely")  # older answers have none
    marks = gettext("positive"), gettext("negative")
    if likely:
        marks = gettext("the most likely class"), gettext("another class")
    decision = decision_of(answer, confidence)
    return AnswerView(
        "answer_probability.html",
        answer,
        decision,
        term(likely or answer["outcome"]),
        marks,
        gettext("no label"),
        sentence=probability_sentence(answer),
        gauge=gauge(answer),
    )
