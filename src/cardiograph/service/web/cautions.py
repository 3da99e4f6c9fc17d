"""Warnings of an answer in words for clinicians: doubts stand above the estimate, notes below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from cardiograph.ecg.pages import WITHOUT_MEASUREMENTS
from cardiograph.features.scaler import TRAINING_RANGE
from cardiograph.imaging.prepare import USED_ALTHOUGH
from cardiograph.inference.answers import NOT_GIVEN, NOVEL, REPRODUCTION, SAME_VALUES, SCORED_WITHOUT, VOID
from cardiograph.service.web.formats import decimals
from cardiograph.service.web.language import deferred, gettext
from cardiograph.service.web.other_texts import translated
from cardiograph.service.web.wording import Limits

_CHANCE = 0.5
"""AUROC and Uno's C of a model that knows nothing."""

_WITHOUT = {
    "image": deferred("No ECG page: the estimate is made without."),
    "clinical": deferred("No clinical values: the estimate is made without."),
    "measurements": deferred("No ECG measurements: the estimate is made without."),
}

_NO_ESTIMATE, _MODEL, _ECG, _INPUT, _PATIENT = range(5)
"""Ranks of doubts, gravest first: there is no estimate, or it is in doubt because of one of these."""


@dataclass(frozen=True)
class Cautions:
    """What a reader must know about an answer, as sentences.

    Args:
        doubts: What puts the estimate itself in doubt, gravest first.
        notes: Every other warning.
    """

    doubts: tuple[str, ...]
    notes: tuple[str, ...]


def cautions(answer: Mapping[str, Any], titles: Mapping[str, str], limits: Limits | None) -> Cautions:
    """Sort the warnings of an answer by what they mean for its estimate.

    Args:
        answer: Prediction as of its ``as_dict()``; of several labels the merged one.
        titles: Variable -> title.
        limits: Quality of the model that made the prediction; None if it is no longer served.
    """
    doubts = [] if limits is None else [(_MODEL, text) for text in _doubts_of_model(limits)]
    doubts += [(_INPUT, gettext(_WITHOUT[block])) for block in answer["missing"]]
    notes = []
    for warning in answer["warnings"]:
        rule = next((rule for rule in _RULES if rule.part in warning), None)
        if rule is not None:
            doubts.append((rule.rank, rule.words(warning, titles)))
        elif warning.startswith(NOT_GIVEN):
            notes.append(_not_given(warning, titles))
        elif not warning.startswith(SCORED_WITHOUT):  # a missing block says so
            notes.append(_sentence(warning))
    return Cautions(tuple(text for _, text in sorted(doubts, key=lambda each: each[0])), tuple(notes))


def _doubts_of_model(limits: Limits) -> list[str]:
    """Return why no estimate of a model says much: it was trained on drawn patients, or is no better than chance."""
    found = []
    if limits.wording.badge in ("simulator check", "synthetic benchmark"):
        found.append(
            gettext("This model was trained on simulated data. Its estimate says nothing about a real patient.")
        )
    score = limits.auroc
    if score is not None and score.value is not None:
        lowest = score.value if score.low is None else score.low
        if lowest <= _CHANCE:
            found.append(_no_better(score.value, score.low, score.high))
    return found


def _no_better(auroc: float, low: float | None, high: float | None) -> str:
    value, chance = decimals(auroc, 3), decimals(_CHANCE, 1)
    if low is None or high is None:
        return gettext(
            "On its test records this model was not clearly better than chance: %(value)s, and %(chance)s is chance.",
            value=value,
            chance=chance,
        )
    return gettext(
        "On its test records this model was not clearly better than chance: %(value)s, %(low)s to %(high)s, and %(chance)s "
        "is chance.",
        value=value,
        low=decimals(low, 3),
        high=decimals(high, 3),
        chance=chance,
    )


def _not_given(warning: str, titles: Mapping[str, str]) -> str:
    names, _, rest = warning.removeprefix(NOT_GIVEN).partition(";")
    return _sentence(f"{NOT_GIVEN}{', '.join(titles.get(name, name) for name in names.split(', '))};{rest}")


def _outside(warning: str, titles: Mapping[str, str]) -> str:
    name, _, rest = warning.partition(" ")
    return _sentence(f"{titles.get(name, name)} {rest}")


def _sentence(text: str) -> str:
    text = translated(text)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _followed(warning: str, consequence: str) -> str:
    return f"{_sentence(warning)} {consequence}"


class _Rule(NamedTuple):
    """How a warning that contains ``part`` is ranked, and its words, made from the warning and the titles of variables."""

    part: str
    rank: int
    words: Callable[[str, Mapping[str, str]], str]


_RULES = (
    _Rule(
        REPRODUCTION,
        _NO_ESTIMATE,
        lambda *_: gettext("This model repeats a faulty study on purpose. Its score is no estimate of a risk."),
    ),
    _Rule(
        VOID,
        _NO_ESTIMATE,
        lambda *_: gettext(
            "Records were added to this model and it was not calibrated again. The number is uncalibrated, and there is no "
            "decision."
        ),
    ),
    _Rule(USED_ALTHOUGH, _ECG, lambda warning, _: _followed(warning, gettext("The estimate may not hold."))),
    _Rule(WITHOUT_MEASUREMENTS, _ECG, lambda warning, _: _sentence(warning)),
    _Rule(NOVEL, _PATIENT, lambda warning, _: _followed(warning, gettext("The estimate may not hold."))),
    _Rule(TRAINING_RANGE, _PATIENT, _outside),
    _Rule(
        SAME_VALUES, _PATIENT, lambda warning, _: _followed(warning, gettext("The model would then know the outcome."))
    ),
)
